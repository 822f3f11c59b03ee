"""Remove and debias: pixels filled as the equation says, and maps with known worth."""

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.attribution import Attributor
from interpret.explain.map_margins import pair_margins
from interpret.explain.road import SHARES, imputed, road_margins


def test_a_pixel_is_the_weighted_mean_of_its_neighbours():
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    removed = np.zeros((4, 4), bool)
    removed[1, 1] = removed[1, 2] = removed[0, 0] = True
    # x_p Σ w = Σ w x_n over the neighbours inside: w is 1/6 beside, 1/12 diagonally.
    places = [tuple(place) for place in np.argwhere(removed)]
    equations, right = np.zeros((3, 3)), np.zeros((3, 3))
    for row, (y, x) in enumerate(places):
        for v in range(max(y - 1, 0), min(y + 2, 4)):
            for u in range(max(x - 1, 0), min(x + 2, 4)):
                if (v, u) == (y, x):
                    continue
                weight = 1 / 12 if v != y and u != x else 1 / 6
                equations[row, row] += weight
                if removed[v, u]:
                    equations[row, places.index((v, u))] -= weight
                else:
                    right[row] += weight * picture[v, u]
    solved = np.linalg.solve(equations, right)
    several = [imputed(picture, removed, seed)[removed].astype(float) for seed in range(400)]
    np.testing.assert_allclose(np.mean(several, axis=0), solved, atol=0.6)
    assert np.std(several, axis=0).mean() == pytest.approx(2.55, rel=0.1)
    kept = imputed(picture, removed, 0)
    np.testing.assert_array_equal(kept[~removed], picture[~removed])


def test_nothing_left_is_grey():
    picture = np.full((8, 8, 3), 200, np.uint8)
    assert imputed(picture, np.ones((8, 8), bool), 0).mean() == pytest.approx(127.5, abs=1)
    np.testing.assert_array_equal(imputed(picture, np.zeros((8, 8), bool), 0), picture)


def test_the_pixels_that_speak_for_the_class_are_worth_the_margin(toy_bundle: Bundle):
    """Red pixels on black: without them the margin of red against green is gone."""
    attributor = Attributor(toy_bundle)
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2, :2, 0] = 255
    (whole,) = pair_margins(attributor, picture[None], (0, 1))
    most, least = road_margins(attributor, picture, picture[..., 0] / 255, (0, 1), 0)
    assert most.shape == least.shape == (len(SHARES),)
    assert (least[:-1] > 0.9 * whole).all()
    assert most[1] < 0.2 * whole
