"""Conformal limits by hand, their promise on simulated pictures, and the temperature."""

import numpy as np
import pytest

from interpret.bundle.errors import DpnpError
from interpret.trust.calibration import (
    accepted,
    calibrate,
    conformal_quantile,
    fewest,
    find_limits,
    find_temperature,
    in_copies,
    kept,
    label_margins,
    reliability,
    tempered,
)
from tests.interpret.trust.simulated import NAMES, simulated


@pytest.mark.parametrize(
    ("coverage", "expected"), [(0.5, 3), (0.6, 4), (0.83, 5), (0.84, np.inf), (0.1, 1)]
)
def test_conformal_quantile_by_hand(coverage: float, expected: float):
    # Of five scores, the ⌈6·coverage⌉-th.
    scores = np.array([5.0, 1, 4, 2, 3])
    assert conformal_quantile(scores, coverage) == expected


def test_a_new_score_is_below_the_quantile_as_often_as_promised():
    generator = np.random.default_rng(0)
    below = [
        generator.random() <= conformal_quantile(generator.random(39), 0.9) for _ in range(4000)
    ]
    assert np.mean(below) == pytest.approx(0.9, abs=0.015)


def test_margins_by_hand():
    distances = np.array([[1.0, 4, 6], [5, 2, 3]])
    assert label_margins(distances, np.array([0, 2])).tolist() == [3.0, -1.0]


@pytest.mark.parametrize("coverage", [0.9, 0.95])
def test_the_class_is_kept_as_often_as_stated(coverage: float):
    shares = []
    for seed in range(20):
        held_out, labels = simulated(900, seed)
        new, truth = simulated(900, seed + 100)
        limits = find_limits(held_out, labels, coverage)
        shares.append(kept(new, truth, limits).mean())
    assert coverage - 0.01 < np.mean(shares) < coverage + 0.03


def test_accepted_is_the_prediction_set_of_one():
    held_out, labels = simulated(600, 1, spread=0.9)  # often wrong: some limits are negative
    predicted = held_out.probabilities.argmax(1)
    limits = find_limits(held_out, labels, 0.95)
    assert (limits.margin < 0).any()
    taken = accepted(held_out, limits)
    rows = np.arange(len(labels))
    every = np.stack(
        [label_margins(held_out.distances, np.full(len(labels), c)) for c in range(3)], 1
    )
    in_set = every >= limits.margin
    assert in_set[rows, predicted][taken].all()
    assert (in_set[taken].sum(1) == 1).all()


def test_a_class_with_few_pictures_takes_all_of_them():
    held_out, labels = simulated(300, 2)
    few = np.concatenate([np.flatnonzero(labels != 2), np.flatnonzero(labels == 2)[:3]])
    found = calibrate(held_out.part(few), labels[few], NAMES, "valid", 0.9)
    assert found.pooled == ["c"]
    assert np.isfinite([*found.max_distance, *found.min_margin]).all()


def test_too_few_pictures_cannot_promise():
    assert fewest(0.95) == 78  # 39 in each half
    held_out, labels = simulated(77, 3)
    with pytest.raises(
        DpnpError, match="77 pictures are too few for a coverage of 95%; it takes 78"
    ):
        calibrate(held_out, labels, NAMES, "valid")


def test_calibrate_says_what_it_achieves():
    held_out, labels = simulated(2000, 4)
    found = calibrate(held_out, labels, NAMES, "valid", 0.9)
    right = held_out.probabilities.argmax(1) == labels
    assert found.measured_coverage == pytest.approx(0.91, abs=0.02)
    assert found.accuracy_of_accepted is not None
    assert found.accuracy_of_accepted > right.mean()
    assert found.expected_calibration_error <= found.expected_calibration_error_before
    assert sum(each.examples for each in found.reliability) == 2000


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_the_temperature_is_found_again(factor: float):
    # Labels drawn from the probabilities themselves are calibrated; the logits times a factor
    # are put right by dividing by it.
    generator = np.random.default_rng(0)
    logits = 2 * generator.standard_normal((4000, 4))
    honest = tempered(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 1.0)
    labels = (honest.cumsum(1) < generator.random((4000, 1))).sum(1)
    assert find_temperature(tempered(honest, 1 / factor), labels) == pytest.approx(factor, rel=0.06)


def test_a_model_that_is_always_right_is_not_made_certain():
    probabilities = np.full((100, 2), 0.2)
    probabilities[:, 0] = 0.8
    found = find_temperature(probabilities, np.zeros(100, int))
    # The minimum of 100 log(1 + 4^(−1/T)) + ½ log²T.
    grid = np.linspace(0.1, 1, 9001)
    loss = 100 * np.log1p(4 ** (-1 / grid)) + np.log(grid) ** 2 / 2
    assert found == pytest.approx(grid[loss.argmin()], abs=1e-3)
    # And one that was certain already stays as it is.
    certain = np.array([[1 - 1e-9, 1e-9]] * 100)
    assert find_temperature(certain, np.zeros(100, int)) == pytest.approx(1, abs=1e-3)


def test_reliability_by_hand():
    bins = reliability(np.array([0.91, 0.93, 0.5]), np.array([True, False, True]))
    assert [(b.examples, b.accuracy) for b in bins] == [(1, 1.0), (2, 0.5)]
    assert bins[1].confidence == pytest.approx(0.92)


def test_copies_are_no_more_pictures():
    """Of 19 pictures in two copies each the 95 % quantile is the largest; of 18 there is none."""
    scores = np.arange(19.0)
    assert conformal_quantile(scores, 0.95) == 18
    assert conformal_quantile(np.concatenate([scores, scores + 100]), 0.95, 2) == 118
    assert conformal_quantile(np.tile(scores[:18], 2), 0.95, 2) == np.inf
    # 11 of the 22 scores that there are with those of an eleventh picture.
    assert conformal_quantile(np.arange(20.0), 0.5, 2) == 10
    assert in_copies(np.array([2, 0]), 5, 3).tolist() == [2, 0, 7, 5, 12, 10]


def test_limits_of_copies_that_are_the_same():
    held_out, labels = simulated(300, 5)
    once = find_limits(held_out, labels, 0.9)
    rows = in_copies(np.arange(300), 300, 3) % 300
    thrice = find_limits(held_out.part(rows), labels[rows], 0.9, 3)
    np.testing.assert_array_equal(once.max_distance, thrice.max_distance)
    # A class may lose what is left of its share exactly: a picture less is in its set, at most.
    margins, whole = label_margins(held_out.distances, labels), []
    for limits in (once, thrice):
        whole.append(np.bincount(labels, margins >= limits.margin[labels]))
    assert np.abs(whole[0] - whole[1]).max() <= 1
    found = calibrate(held_out.part(rows), labels[rows], NAMES, "valid", 0.9, 3)
    alone = calibrate(held_out, labels, NAMES, "valid", 0.9)
    assert (found.changes, alone.changes, found.examples) == (2, 0, 300)
    assert found.temperature == alone.temperature
    assert found.reliability == alone.reliability
