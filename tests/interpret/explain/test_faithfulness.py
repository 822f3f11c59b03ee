"""Faithfulness on the toy: its margin is linear in the pixels, so that the truth is known."""

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.attribution import Attributor
from interpret.explain.attribution_methods import TITLES
from interpret.explain.faithfulness import (
    RANDOM,
    STEPS,
    curves,
    infidelity,
    measure_faithfulness,
    rank_correlation,
)
from interpret.explain.map_margins import enlarged, pair_margins
from interpret.model.images import featureless

PAIR = (0, 1)  # red against green


@pytest.fixture(scope="module")
def attributor(toy_bundle: Bundle) -> Attributor:
    return Attributor(toy_bundle)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)


def truth(picture: np.ndarray) -> np.ndarray:
    """What each pixel adds to the margin, over what it adds blurred."""
    change = (picture.astype(float) - featureless(picture)) / 255
    return 2 * (change[..., 0] - change[..., 1]) / 16


def test_the_true_map_is_faithful(attributor: Attributor, picture: np.ndarray):
    assert infidelity(attributor, picture, truth(picture), PAIR, 0) == pytest.approx(0, abs=1e-9)
    # Of any scale and sign: the error is that of the best fit.
    scaled = -7 * truth(picture)
    assert infidelity(attributor, picture, scaled, PAIR, 0) == pytest.approx(0, abs=1e-9)
    assert infidelity(attributor, picture, np.zeros((4, 4)), PAIR, 0) == 1


def test_curves_of_the_true_map_are_the_best_there_are(attributor: Attributor, picture: np.ndarray):
    best = curves(attributor, picture, truth(picture), PAIR)
    whole, blurred = pair_margins(attributor, np.stack([picture, featureless(picture)]), PAIR)
    assert best.deletion[[0, -1]] == pytest.approx([whole, blurred])
    assert best.insertion[[0, -1]] == pytest.approx([blurred, whole])
    # 16 pixels in 16 steps: the largest goes first.
    falls = np.sort(truth(picture).ravel())[::-1]
    assert falls.size == STEPS
    np.testing.assert_allclose(-np.diff(best.deletion), falls, atol=1e-6)
    other = curves(attributor, picture, np.random.default_rng(1).random((4, 4)), PAIR)
    assert (best.deletion <= other.deletion + 1e-6).all()
    assert (best.insertion >= other.insertion - 1e-6).all()


def test_enlarged_and_rank_correlation_by_hand():
    assert enlarged(np.array([[1.0, 2]]), 4).tolist() == [[1, 1, 2, 2]] * 4
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([10.0, 20, 900])) == pytest.approx(1)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    assert rank_correlation(np.array([1.0, 2]), np.array([5.0, 5])) == 0


def test_every_method_is_measured(toy_bundle: Bundle):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    found = {each.method: each for each in measure_faithfulness(toy_bundle, pictures)}
    assert list(found) == [*TITLES, RANDOM]
    # The network is linear: integrated gradients are the truth, and occlusion near it.
    assert found["ig"].infidelity == pytest.approx(0, abs=1e-6)
    assert found["ig"].completeness == pytest.approx(0, abs=1e-4)
    assert found["evidence"].completeness == pytest.approx(0, abs=1e-6)
    assert found["gradcam"].completeness is None
    assert all(each.milliseconds > 0 for each in found.values())
    assert all(found["ig"].deletion <= each.deletion + 1e-6 for each in found.values())
    assert found["ig"].insertion > found[RANDOM].insertion
    assert found["ig"].road > found[RANDOM].road
