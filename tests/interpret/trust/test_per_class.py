"""Recall, precision and F1 of each class, and their averages, by hand."""

import numpy as np
import pytest

from interpret.trust.per_class import (
    balanced_accuracy,
    class_figures,
    imbalance,
    macro_f1,
    worst_classes,
)

# Ten pictures of a, of which 6 are right; two of b, of which 1 is; none of c, answered thrice.
MATRIX = np.array([[6, 1, 3], [1, 1, 0], [0, 0, 0]])


def test_the_figures_of_a_class():
    a, b, c = class_figures(MATRIX, ["a", "b", "c"])
    assert (a.label, a.examples, a.answers) == ("a", 10, 7)
    assert (a.recall, a.precision) == (0.6, pytest.approx(6 / 7))
    assert a.f1 == pytest.approx(2 * 0.6 * (6 / 7) / (0.6 + 6 / 7))
    assert (b.examples, b.answers, b.recall, b.precision, b.f1) == (2, 2, 0.5, 0.5, 0.5)
    assert (c.examples, c.answers, c.recall, c.precision, c.f1) == (0, 3, None, 0.0, 0.0)


def test_a_class_without_pictures_and_answers_has_no_figures():
    _, empty = class_figures(np.array([[2, 0], [0, 0]]), ["a", "b"])
    assert (empty.recall, empty.precision, empty.f1) == (None, None, None)


def test_averages_leave_out_classes_without_pictures():
    figures = class_figures(MATRIX, ["a", "b", "c"])
    assert balanced_accuracy(figures) == pytest.approx((0.6 + 0.5) / 2)
    assert macro_f1(figures) == pytest.approx((12 / 17 + 0.5) / 2)
    nothing = class_figures(np.zeros((2, 2), np.int64), ["a", "b"])
    assert (balanced_accuracy(nothing), macro_f1(nothing)) == (0, 0)


def test_the_worst_come_first_and_perfect_ones_never():
    matrix = np.diag([5, 3, 0, 8, 2])
    matrix[0, 1] = 5  # a: 5 of 10
    matrix[1, 0] = 1  # b: 3 of 4
    matrix[4, 0] = 2  # e: 2 of 4, the smaller of the two at a half
    figures = class_figures(matrix, list("abcde"))
    assert [f.label for f in worst_classes(figures, 9)] == ["a", "e", "b"]
    assert [f.label for f in worst_classes(figures, 1)] == ["a"]


def test_imbalance_is_that_of_classes_that_have_pictures():
    assert imbalance([30, 0, 10, 6]) == 5
    assert imbalance([0, 0]) == 1
