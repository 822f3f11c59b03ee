"""Nearest prototypes among many: part by part as all at once."""

import numpy as np
import pytest

from interpret.geometry import geometry
from interpret.geometry.geometry import (
    angles,
    chosen_angles,
    distances,
    nearest_angles,
    nearest_rivals,
    paired_angles,
    smallest,
    two_nearest,
)


@pytest.fixture(autouse=True, params=[1, 50, 2**22])
def numbers_of_a_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "_PART", request.param)


@pytest.fixture
def prototypes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def test_the_two_nearest(prototypes: np.ndarray):
    points = np.random.default_rng(1).normal(size=(25, 4)).astype(np.float32)
    away = distances(points, prototypes)
    nearest, found = two_nearest(points, prototypes)
    np.testing.assert_array_equal(nearest, away.argmin(1))
    np.testing.assert_array_equal(found, np.sort(away, 1)[:, :2])
    assert two_nearest(points[:0], prototypes).distances.shape == (0, 2)
    alone = two_nearest(points, prototypes[:1])
    assert np.isinf(alone.distances[:, 1]).all()
    np.testing.assert_array_equal(alone.distances[:, 0], away[:, 0])


def test_nearest_rivals(prototypes: np.ndarray):
    between = distances(prototypes, prototypes)
    np.fill_diagonal(between, np.inf)
    index, found = nearest_rivals(prototypes)
    np.testing.assert_array_equal(index, between.argmin(1))
    np.testing.assert_allclose(found, between.min(1), rtol=1e-9)
    some = np.array([7, 3])
    index, found = nearest_rivals(prototypes, some)
    np.testing.assert_array_equal(index, between[some].argmin(1))
    index, found = nearest_rivals(prototypes[:1])
    assert (index.tolist(), found.tolist()) == ([0], [np.inf])


def test_nearest_angles_and_pairs(prototypes: np.ndarray):
    every = angles(prototypes, prototypes)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(nearest_angles(prototypes), every.min(1), rtol=1e-9)
    pairs = paired_angles(prototypes[:29], prototypes[1:])
    np.testing.assert_allclose(pairs, np.diag(every, 1), rtol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 6, 9, 10, 50])
def test_the_smallest_are_those_of_a_stable_sort(count: int):
    values = np.array([[3, 1, 2, 1, 5, 1, 2, 2, 0, 9], [2, 2, 2, 0, 0, 0, 1, 1, 1, 1]], np.float32)
    expected = np.argsort(values, kind="stable")[:, :count]
    np.testing.assert_array_equal(smallest(values, count), expected)


def test_the_smallest_of_many_values_are_those_of_a_stable_sort():
    values = np.random.default_rng(0).integers(0, 50, (3, 1000))  # each value about 20 times
    expected = np.argsort(values, kind="stable")[:, :30]
    np.testing.assert_array_equal(smallest(values, 30), expected)
    assert smallest(values[:0], 30).shape == (0, 30)


def test_chosen_angles_are_those_of_the_chosen(prototypes: np.ndarray):
    chosen = np.array([[3, 0, 7], [1, 1, 29]])
    found = chosen_angles(prototypes[:2], prototypes, chosen)
    expected = np.take_along_axis(angles(prototypes[:2], prototypes), chosen, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
