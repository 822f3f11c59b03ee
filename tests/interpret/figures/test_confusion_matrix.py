"""The drawn confusion matrix: colours of cells by hand, and names that keep out of each other."""

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from interpret.figures.confusion_matrix import confusion_figure
from interpret.figures.palette import AGAINST, FOR, as_rgb


def cells(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_right_is_blue_wrong_is_red_by_the_root_of_the_share():
    figure = confusion_figure(np.array([[3, 1], [0, 4]]), ["cat", "dog"])
    drawn, white = cells(figure), np.ones(3)
    blue, red = np.array(as_rgb(AGAINST)), np.array(as_rgb(FOR))
    np.testing.assert_allclose(drawn[1, 1], blue)
    np.testing.assert_allclose(drawn[1, 0], white)
    np.testing.assert_allclose(drawn[0, 1], 0.5 * white + 0.5 * red)  # a quarter of the row
    np.testing.assert_allclose(drawn[0, 0], white + np.sqrt(0.75) * (blue - white))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "4"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    assert axes.get_title(loc="left") == "7 of 8 right"


def test_classes_without_pictures_and_answers_are_left_out():
    matrix = np.zeros((4, 4), int)
    matrix[1, 3] = 2  # no picture of class 3, but answers
    figure = confusion_figure(matrix, list("abcd"))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "d"]


@pytest.mark.parametrize("count", [2, 10, 30, 100, 400])
def test_names_are_inside_the_figure_and_apart(count: int):
    random = np.random.default_rng(0)
    matrix = np.diag(random.integers(900, 12_000, count)) + random.poisson(0.5, (count, count))
    names = [f"a rather long name, of which is cut something, {i} $x_1$ 猫" for i in range(count)]
    figure = confusion_figure(matrix, names)
    figure.savefig(io.BytesIO(), format="png")
    axes, whole = figure.axes[0], figure.bbox
    for labels, side in ((axes.get_yticklabels(), "y"), (axes.get_xticklabels(), "x")):
        assert len(labels) >= min(count, 100)
        boxes = [label.get_window_extent() for label in labels]
        for box in boxes:
            assert whole.x0 <= box.x0
            assert box.x1 <= whole.x1
            assert whole.y0 <= box.y0
            assert box.y1 <= whole.y1
        middles = [(box.y0, box.y1) if side == "y" else (-box.x1, -box.x0) for box in boxes]
        assert all(before[0] >= after[1] - 1 for before, after in pairwise(middles))
    cell = axes.get_window_extent().width / count
    assert all(text.get_window_extent().width <= cell for text in axes.texts)
    assert bool(axes.texts) == (count <= 30)
