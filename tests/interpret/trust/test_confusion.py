"""The confusion matrix by hand: five pictures of three classes."""

import numpy as np

from interpret.trust.confusion import confusion_matrix, confusions


def test_rows_are_classes_and_columns_answers():
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 0, 2, 1])
    matrix = confusion_matrix(labels, predicted, 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 1], [0, 0, 0]]
    found = confusions(matrix, ["a", "b", "c"])
    assert [(c.label, c.answer, c.examples) for c in found] == [("a", "b", 2), ("b", "c", 1)]


def test_equal_pairs_come_in_the_order_of_classes_and_the_right_answers_never():
    matrix = np.array([[9, 1, 0], [0, 9, 1], [1, 0, 9]])
    found = confusions(matrix, ["a", "b", "c"])
    assert [(c.label, c.answer) for c in found] == [("a", "b"), ("b", "c"), ("c", "a")]
    assert confusions(np.diag([3, 4, 5]), ["a", "b", "c"]) == []
