"""Neighbours and outliers of points whose places are known."""

import numpy as np
import pytest

from interpret.trust.neighbours import nearest_others, outlier_scores
from tests.interpret.trust.clusters import clusters


def test_nearest_others_leave_oneself_out_among_copies():
    points = np.array([[0, 0], [0, 0], [0, 0], [3, 4]], np.float32)
    rows, away = nearest_others(points, 2)
    assert all(i not in row for i, row in enumerate(rows.tolist()))
    np.testing.assert_allclose(away, [[0, 0], [0, 0], [0, 0], [5, 5]])
    rows, _ = nearest_others(points, 10)
    assert rows.shape == (4, 3)  # all there are


def test_one_point_has_no_other():
    rows, away = nearest_others(np.zeros((1, 2), np.float32), 5)
    assert rows.shape == away.shape == (1, 0)


def test_an_outlier_is_far_by_its_own_class_s_measure():
    points, _, labels = clusters()
    points[5] += 40
    found = outlier_scores(points, labels, 15)
    assert found.argmax() == 5
    assert found[5] > 4
    assert np.median(found) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_pictures_have_no_outlier(count: int):
    points = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32) ** 5
    assert not outlier_scores(points, np.arange(count) % 2, 15).any()


def test_a_label_of_few_pictures_is_measured_by_all():
    points, _, labels = clusters()
    labels[:3] = 3
    typical = np.log(nearest_others(points, 15)[1].mean(1))
    spread = 1.4826 * np.median(np.abs(typical - np.median(typical)))
    expected = (typical[:3] - np.median(typical)) / spread
    np.testing.assert_allclose(outlier_scores(points, labels, 15)[:3], expected)
