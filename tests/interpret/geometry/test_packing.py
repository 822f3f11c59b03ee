import math

import numpy as np
import pytest

from interpret.geometry import packing as packing_module
from interpret.geometry.geometry import nearest_angles
from interpret.geometry.packing import LARGEST, packing, random_directions, spread, widest_angle


@pytest.mark.parametrize(
    ("count", "dim", "degrees", "source"),
    [
        (2, 3, 180.0, "simplex"),
        (4, 3, math.degrees(math.acos(-1 / 3)), "simplex"),
        (10, 512, 96.3794, "simplex"),
        (100, 99, 90.5787, "simplex"),
        (5, 2, 72.0, "circle"),
        (6, 3, 90.0, "Rankin"),
        (5, 3, 90.0, "Rankin"),
        (10, 3, 66.1468, "Tammes"),
        (12, 3, 63.4349, "Tammes"),  # icosahedron
    ],
)
def test_proven_limits(count: int, dim: int, degrees: float, source: str):
    limit = widest_angle(count, dim)
    assert limit is not None
    assert limit.degrees == pytest.approx(degrees, abs=1e-4)
    assert limit.source == source


@pytest.mark.parametrize(("count", "dim"), [(7, 3), (8, 3), (10, 3), (12, 3), (14, 3)])
def test_packings_reach_tammes_values_and_never_pass_them(count: int, dim: int):
    limit = widest_angle(count, dim).degrees
    assert limit - 0.01 < nearest_angles(packing(count, dim)).min() < limit + 1e-4


@pytest.mark.parametrize(("count", "dim"), [(5, 4), (8, 4), (6, 2), (10, 9)])
def test_packings_reach_simplex_circle_and_right_angles(count: int, dim: int):
    best = nearest_angles(packing(count, dim)).min()
    assert best == pytest.approx(widest_angle(count, dim).degrees, abs=0.01)


def test_a_numerical_limit_is_that_of_a_real_packing():
    limit = widest_angle(100, 10)
    assert limit.source == "numerical"
    assert 70 < limit.degrees < 72


def test_no_limit_is_made_up_for_very_many_points():
    assert widest_angle(LARGEST + 1, 10) is None


@pytest.mark.parametrize(("count", "dim"), [(LARGEST + 1, 10), (800, 3)])
def test_very_many_points_are_moved_apart(count: int, dim: int):
    random = nearest_angles(random_directions(count, dim, 0))
    points = packing(count, dim)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    assert nearest_angles(points).min() > 2 * random.min()
    assert nearest_angles(points).mean() > 1.4 * random.mean()
    np.testing.assert_array_equal(points, packing.__wrapped__(count, dim))


def test_points_compared_in_cells_move_as_far_apart(monkeypatch: pytest.MonkeyPatch):
    start = random_directions(2000, 6, 0)
    exact = nearest_angles(packing_module._moved_apart(start, 20))
    right, _ = packing_module._nearest(start)
    found, cosines = packing_module._nearest_by_cells(start, 1)
    assert (found != np.arange(2000)).all()
    assert (found == right).mean() > 0.9
    np.testing.assert_allclose(cosines, (start * start[found]).sum(1), atol=1e-6)
    monkeypatch.setattr(packing_module, "_ALL_PAIRS", 1000)
    moved = nearest_angles(packing_module._moved_apart(start, 20))
    assert moved.mean() > 0.98 * exact.mean()
    assert moved.min() > 0.9 * exact.min()


def test_the_work_on_very_many_points_is_bounded(monkeypatch: pytest.MonkeyPatch):
    counts = (1000, 10_000, 30_000, 100_000, 1_000_000)
    rounds = [packing_module._rounds(count, 10) for count in counts]
    assert rounds == [100, 50, 100, 24, 0]
    monkeypatch.setattr(packing_module, "_rounds", lambda count, dim: 0)
    np.testing.assert_allclose(packing.__wrapped__(501, 4), random_directions(501, 4, 0))


def test_spread_keeps_unit_length():
    points = spread(random_directions(20, 5, seed=1))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
