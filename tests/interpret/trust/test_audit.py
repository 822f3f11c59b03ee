"""An audit of points and pictures whose faults are known."""

import numpy as np
import pytest

from interpret.trust.audit import (
    audit,
    label_suspicion,
    mislabelling,
    near_duplicates,
    nearest_others,
    neighbour_probabilities,
    outlier_scores,
    probe_probabilities,
    signature,
)

CORNERS = np.array([[10, 0, 0], [0, 10, 0], [0, 0, 10]], np.float32)


def clusters(each: int = 40, seed: int = 0):
    """Three clusters around CORNERS with their labels, and a classifier's probabilities."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), each)
    points = (CORNERS[labels] + generator.standard_normal((3 * each, 3))).astype(np.float32)
    powers = np.exp(points @ CORNERS.T / 10)
    return points, powers / powers.sum(1, keepdims=True), labels


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_changed_labels_come_first(seed: int):
    points, probabilities, labels = clusters(seed=seed)
    wrong = labels.copy()
    rows = np.random.default_rng(seed).choice(len(labels), 8, replace=False)
    wrong[rows] = (labels[rows] + 1) % 3
    suspicion, suggestion = label_suspicion(
        points, probabilities, wrong, np.arange(len(wrong)) % 2 == 0
    )
    assert set(np.argsort(-suspicion)[:8]) == set(rows)
    np.testing.assert_array_equal(suggestion[rows], labels[rows])
    others = np.setdiff1d(np.arange(len(labels)), rows)
    np.testing.assert_array_equal(suggestion[others], labels[others])


def test_the_rates_of_mistakes_are_found_and_make_their_mistakes_more_suspect():
    """Class 0 is called 1 in a tenth of its pictures; nothing else happens."""
    generator = np.random.default_rng(0)
    true = np.repeat(np.arange(3), 400)
    probabilities = np.where(np.eye(3)[true] == 1, 0.98, 0.01)
    labels = np.where((true == 0) & (generator.random(1200) < 0.1), 1, true)
    rates = mislabelling(probabilities, labels)
    np.testing.assert_allclose(rates.sum(1), 1)
    assert rates[0, 1] == pytest.approx((labels[true == 0] == 1).mean(), abs=0.02)
    assert np.delete(rates.ravel(), [0, 1, 4, 8]).max() < 0.02

    doubtful = np.array([[0.4, 0.3, 0.3]] * 2)  # of all classes alike, but for the habit
    shown = np.concatenate([probabilities, doubtful])
    points = np.eye(3, dtype=np.float32)[np.append(true, [0, 0])]
    suspicion, suggestion = label_suspicion(
        points, shown, np.append(labels, [1, 2]), np.zeros(1202, bool)
    )
    assert suspicion[-2] > suspicion[-1]
    assert suggestion[-2] == 0


def test_without_a_sure_picture_no_label_is_suspect():
    labels = np.arange(30) % 3
    rates = mislabelling(np.full((30, 3), 1 / 3), labels)
    np.testing.assert_allclose(np.diag(rates), rates[0, 0])
    assert rates[0, 0] > 0.5


def test_the_witnesses_have_not_seen_the_label():
    # One picture alone with its label: whoever learnt from it would believe it.
    points, _, labels = clusters()
    labels = labels.copy()
    labels[0] = 3
    for witness in (probe_probabilities, neighbour_probabilities):
        found = witness(points, labels, 4)
        np.testing.assert_allclose(found.sum(1), 1)
        assert found[0].argmax() == 0
        assert found[0, 3] < 0.02


def test_nearest_others_leave_oneself_out_among_copies():
    points = np.array([[0, 0], [0, 0], [0, 0], [3, 4]], np.float32)
    rows, away = nearest_others(points, 2)
    assert all(i not in row for i, row in enumerate(rows.tolist()))
    np.testing.assert_allclose(away, [[0, 0], [0, 0], [0, 0], [5, 5]])
    rows, _ = nearest_others(points, 10)
    assert rows.shape == (4, 3)  # all there are


def test_an_outlier_is_far_by_its_own_class_s_measure():
    points, _, labels = clusters()
    points[5] += 40
    found = outlier_scores(points, labels)
    assert found.argmax() == 5
    assert found[5] > 4
    assert np.median(found) == pytest.approx(0, abs=0.3)


def test_duplicates_are_found_whatever_their_brightness():
    originals = pictures(30)
    darker = (originals[7] * 0.6).astype(np.uint8)
    flat = np.full((2, 16, 16, 3), 90, np.uint8)  # alike, but of nothing
    found = near_duplicates(signature(np.concatenate([originals, darker[None], flat])))
    assert [(a, b) for a, b, _ in found] == [(7, 30)]
    assert found[0][2] == pytest.approx(1, abs=1e-3)


def test_the_whole_audit():
    points, probabilities, labels = clusters()
    shown = pictures(len(labels))
    shown[1], shown[100] = shown[0], shown[90]
    splits = ["train"] * 95 + ["test"] * 25
    labels[3] = 2
    points[50] += 40
    found = audit(points, probabilities, labels, splits, signature(shown))
    assert [(f.row, f.suggestion) for f in found.of("label")] == [(3, 0)]
    assert [(f.row, f.other) for f in found.of("duplicate")] == [(0, 1)]
    assert [(f.row, f.other) for f in found.of("leak")] == [(90, 100)]
    assert 50 in [f.row for f in found.of("outlier")]
    scores = [f.score for f in found.of("outlier")]
    assert scores == sorted(scores, reverse=True)
