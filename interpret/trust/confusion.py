"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.calibration_record import Confusion

Labels = NDArray[np.int64]


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """How many pictures of each class (row) got each answer (column), (M, M)."""
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)


def confusions(matrix: NDArray[np.int64], class_names: Sequence[str]) -> list[Confusion]:
    """Every pair of a class and a wrong answer that pictures got, the most frequent first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [
        Confusion(
            label=class_names[row], answer=class_names[column], examples=int(wrong[row, column])
        )
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
    ]
