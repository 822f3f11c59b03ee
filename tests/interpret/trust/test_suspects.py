"""Suspect labels among points whose labels are known."""

import numpy as np
import pytest

from interpret.trust.neighbours import nearest_others
from interpret.trust.suspects import (
    Judgement,
    Witnesses,
    judge_labels,
    mislabelling,
    neighbour_probabilities,
    probe_probabilities,
    without_memory,
)
from tests.interpret.trust.clusters import CORNERS, clusters


@pytest.mark.parametrize("seed", range(3))
def test_changed_labels_come_first_and_are_named(seed: int):
    points, probabilities, labels = clusters(seed=seed)
    wrong = labels.copy()
    rows = np.random.default_rng(seed).choice(len(labels), 8, replace=False)
    wrong[rows] = (labels[rows] + 1) % 3
    judged = judge_labels(points, probabilities, wrong, np.arange(len(wrong)) % 2 == 0)
    assert set(np.argsort(-judged.suspicion)[:8]) == set(rows)
    np.testing.assert_array_equal(judged.suggestion[rows], labels[rows])
    others = np.setdiff1d(np.arange(len(labels)), rows)
    np.testing.assert_array_equal(judged.suggestion[others], labels[others])
    named = judged.suspects()
    assert set(named) <= set(rows)
    assert len(named) >= 6
    assert set(judged.suspects(0.7)) >= set(named)
    assert judged.accuracy == pytest.approx(112 / 120, abs=0.04)


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
    judged = judge_labels(points, shown, np.append(labels, [1, 2]), np.zeros(1202, bool))
    assert judged.suspicion[-2] > judged.suspicion[-1]
    assert judged.suggestion[-2] == 0


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
    rows, away = nearest_others(points, 15)
    for found in (
        probe_probabilities(points, labels, 4),
        neighbour_probabilities(labels[rows], away, 4),
    ):
        np.testing.assert_allclose(found.sum(1), 1)
        assert found[0].argmax() == 0
        assert found[0, 3] < 0.02


def remembered(probabilities: np.ndarray, labels: np.ndarray, memory: float) -> np.ndarray:
    """What a classifier says that has learnt the labels: right or wrong, they are surer."""
    return (1 - memory) * probabilities + memory * np.eye(probabilities.shape[1])[labels]


def test_what_is_only_remembered_is_taken_away():
    generator = np.random.default_rng(0)
    plain = generator.dirichlet(np.full(4, 0.3), 4000)
    labels = (plain.cumsum(1) > generator.random((4000, 1))).argmax(1)  # as sure as it says
    learnt = np.arange(4000) % 4 > 0
    seen = np.where(learnt[:, None], remembered(plain, labels, 0.4), plain)
    found = without_memory(seen, labels, learnt)
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_allclose(found[~learnt], plain[~learnt])
    # The memory is found from another thousand pictures: to some standard errors.
    np.testing.assert_allclose(found[learnt], plain[learnt], atol=0.1)
    assert np.abs(seen[learnt] - plain[learnt]).max() > 0.3


@pytest.mark.parametrize("learnt", [np.zeros(60, bool), np.ones(60, bool), np.arange(60) < 55])
def test_without_others_to_compare_with_nothing_is_known_of_the_memory(learnt: np.ndarray):
    probabilities = np.full((60, 2), 0.5)
    assert without_memory(probabilities, np.zeros(60, np.int64), learnt) is probabilities


def test_surer_of_labels_that_it_has_not_learnt_there_is_no_memory():
    probabilities = np.tile([0.9, 0.1], (60, 1))
    probabilities[:30] = [0.8, 0.2]
    labels, learnt = np.zeros(60, np.int64), np.arange(60) < 30
    assert without_memory(probabilities, labels, learnt) is probabilities


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_are_named_though_the_network_learnt_them(seed: int):
    """A tenth of the labels is wrong. Each embedding that was learnt lies near its own label's
    prototype, so the probe and the neighbours believe the wrong labels too.
    """
    points, _, true = clusters(400, seed)
    generator = np.random.default_rng(seed)
    points += 1.5 * generator.standard_normal(points.shape).astype(np.float32)
    labels, learnt = true.copy(), generator.random(len(true)) < 0.7
    rows = generator.permutation(len(true))[: len(true) // 10]
    labels[rows] = (true[rows] + 1) % 3
    points[learnt] = 0.6 * points[learnt] + 0.4 * CORNERS[labels[learnt]]
    powers = np.exp(points @ CORNERS.T / 25)
    probabilities = powers / powers.sum(1, keepdims=True)

    named = judge_labels(points, probabilities, labels, learnt).suspects()
    assert (labels[named] != true[named]).mean() > 0.95
    assert len(set(named) & set(rows[learnt[rows]])) >= 0.25 * learnt[rows].sum()


def test_the_cut_keeps_the_expected_precision():
    suspicion = np.array([0.2, 0.95, 0.9, 0.6, 0.55, 0.99])
    nothing = np.zeros((6, 2))
    judged = Judgement(
        labels=np.zeros(6, np.int64),
        suspicion=suspicion,
        suggestion=np.array([0, 1, 1, 1, 1, 0]),  # the last is suspect, but nothing is better
        witnesses=Witnesses(nothing, nothing, nothing),
        nearby=np.zeros((6, 0), np.int64),
        accuracy=0.9,
        why="",
    )
    assert judged.suspects(0.9).tolist() == [1, 2]  # means 0.95, 0.925, 0.817, 0.75
    assert judged.suspects(0.8).tolist() == [1, 2, 3]
    assert judged.suspects(0.5).tolist() == [1, 2, 3, 4]
    assert judged.suspects(1.0).tolist() == []


def test_a_weak_model_names_none_and_says_how_good_it_is():
    points, _, labels = clusters()
    random = np.random.default_rng(0).permutation(labels)
    judged = judge_labels(points, np.full((120, 3), 1 / 3), random, np.ones(120, bool))
    assert judged.why.startswith("the model is too weak to tell: right on ")
    assert len(judged.suspects(0.5)) == 0
    assert judged.accuracy < 0.6


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_tiny_set_is_judged_as_far_as_it_goes(count: int):
    points, probabilities, labels = clusters(1)
    labels = np.arange(count) % 3
    points, probabilities = CORNERS[labels], np.eye(3)[labels] * 0.94 + 0.02
    judged = judge_labels(points, probabilities, labels, np.zeros(count, bool))
    assert np.isfinite(judged.suspicion).all()
    assert judged.suspects().tolist() == []
    assert judged.accuracy == 1


def test_of_one_class_the_classifier_alone_speaks():
    points, probabilities, _ = clusters()
    ones = np.zeros(60, np.int64)  # forty pictures of class 0, and twenty of class 1 among them
    sharp = probabilities[:60] ** 4
    judged = judge_labels(
        points[:60], sharp / sharp.sum(1, keepdims=True), ones, np.zeros(60, bool)
    )
    assert (judged.suggestion[:40] == 0).all()
    assert (judged.suggestion[40:] == 1).all()
    assert (judged.witnesses.probe == 1 / 3).all()


def test_the_evidence_has_both_sides():
    points, probabilities, labels = clusters()
    labels[3] = 2
    judged = judge_labels(points, probabilities, labels, np.ones(120, bool))
    away = np.linalg.norm(points[:, None] - CORNERS[None], axis=2)
    found = judged.evidence(3, away)
    assert found.neighbours == (0, 15)
    assert found.distances == pytest.approx((away[3, 2], away[3, 0]))
    assert found.probe[0] < 0.1 < 0.9 < found.probe[1]
    assert found.classifier[0] < found.classifier[1]
