"""Figures of merit by hand: two prototypes at (±1, 0), embeddings on the line between them."""

import numpy as np
import pytest

from interpret.model.predictor import Prediction
from interpret.trust.metrics import calibration_error, measure_geometry, metrics, score, thresholds

PROTOTYPES = np.array([[1, 0], [-1, 0]], np.float32)


def scored(positions: list[float], labels: list[int], confidence: float = 0.9):
    """Pictures whose embeddings lie at (position, 0)."""
    embedding = np.array([[x, 0] for x in positions], np.float32)
    distances = np.abs(embedding[:, :1] - PROTOTYPES[:, 0])
    best = distances.argmin(1)
    probabilities = np.full((len(positions), 2), 1 - confidence, np.float32)
    probabilities[np.arange(len(positions)), best] = confidence
    usual = np.zeros(len(positions), np.float32)
    prediction = Prediction(embedding, distances, probabilities, None, usual)
    return score(prediction, np.array(labels), PROTOTYPES)


def test_score_by_hand():
    result = scored([0.75, -0.5, 0.25], [0, 1, 1])
    assert result.predicted.tolist() == [0, 1, 0]
    assert result.nearest.tolist() == [0, 1, 0]
    assert result.distance.tolist() == [0.25, 0.5, 0.75]
    assert result.margin.tolist() == [1.75 - 0.25, 1.5 - 0.5, 1.25 - 0.75]
    np.testing.assert_allclose(result.confidence, 0.9)


def test_metrics_count_both_rules_and_where_they_differ():
    result = scored([0.75, -0.5, 0.25], [0, 1, 1])._replace(nearest=np.array([0, 1, 1]))
    geometry = measure_geometry(PROTOTYPES, np.array([0, 1]), PROTOTYPES + 0.0, "test")
    measured = metrics(result, "test", geometry, ["a", "b"], train_accuracy=0.5)
    assert measured.accuracy == pytest.approx(2 / 3)
    assert measured.accuracy_nearest_prototype == 1.0
    assert measured.rules_disagree == 1
    assert (measured.split, measured.examples) == ("test", 3)
    # The class of 1 is right, of the 2 of the other one is.
    assert measured.balanced_accuracy == 0.75
    assert [(f.label, f.examples, f.recall) for f in measured.per_class] == [
        ("a", 1, 1.0),
        ("b", 2, 0.5),
    ]
    assert (measured.train_accuracy, measured.valid_accuracy) == (0.5, None)


def test_ranks_and_top_k_by_hand():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2]], np.float32)
    points = np.zeros((3, 2), np.float32)
    distances = np.ones((3, 3), np.float32)
    prediction = Prediction(points, distances, probabilities, None, np.zeros(3, np.float32))
    result = score(prediction, np.array([2, 0, 1]), np.zeros((3, 2), np.float32))
    # Of two equally probable classes the first is the answer.
    assert result.rank.tolist() == [2, 0, 1]
    assert result.accuracy == result.top(1) == pytest.approx(1 / 3)
    assert (result.top(2), result.top(3)) == (pytest.approx(2 / 3), 1.0)


def test_calibration_error_by_hand():
    # Bin of 0.9: accuracy 1/2, so a gap of 0.4 for 2 of 4. Bin of 0.5: accuracy 1, 0.5 for 2.
    confidence = np.array([0.9, 0.9, 0.5, 0.5])
    correct = np.array([True, False, True, True])
    assert calibration_error(confidence, correct) == pytest.approx(0.5 * 0.4 + 0.5 * 0.5)
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0
    assert calibration_error(np.empty(0), np.empty(0, bool)) == 0


def test_geometry_by_hand():
    embeddings = np.array([[0.5, 0], [-1, 1]], np.float32)
    measured = measure_geometry(embeddings, np.array([0, 1]), PROTOTYPES, "train")
    assert measured.min_sep_deg == measured.mean_sep_deg == pytest.approx(180)
    assert measured.std_deg == 0
    assert measured.intra_class_angle_deg == pytest.approx((0 + 45) / 2)
    assert measured.scr == pytest.approx((2 / 0.5 + 2 / 1) / 2)
    assert measured.split == "train"


def test_thresholds_give_up_one_and_two_in_a_hundred_correct_pictures():
    positions = np.linspace(1, 0.5, 101).tolist()  # distances 0 to 0.5, margins 2 to 1
    found = thresholds(scored([*positions, -0.9], [*[0] * 101, 0]), "valid")
    assert found.max_distance == pytest.approx(0.495)  # the last but one: the wrong one is left out
    assert found.min_margin == pytest.approx(1.02)
    assert "101 correctly classified pictures of the valid split" in found.source


def test_thresholds_of_a_model_that_is_never_right():
    found = thresholds(scored([0.5, 0.25], [1, 1]), "valid")
    assert found.max_distance == 0.75
    assert found.min_margin == 0.5
