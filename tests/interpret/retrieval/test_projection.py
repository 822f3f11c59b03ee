"""The three-dimensional view: exact up to three dimensions, the principal directions beyond."""

import numpy as np
import pytest

from interpret.retrieval.projection import Projection


@pytest.mark.parametrize("size", [1, 2, 3])
def test_small_spaces_stay_as_they_are(size: int) -> None:
    points = np.random.default_rng(0).normal(size=(5, size)).astype(np.float32)
    view = Projection(points)
    np.testing.assert_array_equal(view(points)[:, :size], points)
    np.testing.assert_array_equal(view(points)[:, size:], 0)
    assert view.kept == 1


def test_the_strongest_directions_are_shown() -> None:
    # Points on four axes of lengths 4, 3, 2 and 1: the last is lost.
    points = np.diag([1, 3, 4, 2]).astype(np.float32)
    view = Projection(points)
    assert view.kept == pytest.approx((16 + 9 + 4) / 30)
    np.testing.assert_allclose(
        view(points), [[0, 0, 0], [0, 3, 0], [4, 0, 0], [0, 0, 2]], atol=1e-6
    )


def test_it_is_the_singular_value_decomposition_about_the_origin() -> None:
    points = np.random.default_rng(1).normal(1, 2, (60, 7)).astype(np.float32)
    view = Projection(points)
    left, strengths, _ = np.linalg.svd(points.astype(float), full_matrices=False)
    expected = np.abs(left[:, :3] * strengths[:3])
    np.testing.assert_allclose(np.abs(view(points)), expected, rtol=1e-3, atol=1e-3)
    assert view.kept == pytest.approx((strengths[:3] ** 2).sum() / (strengths**2).sum())


def test_the_origin_stays_the_centre() -> None:
    points = np.random.default_rng(2).normal(5, 1, (20, 6)).astype(np.float32)
    np.testing.assert_array_equal(Projection(points)(np.zeros((1, 6), np.float32)), 0)
