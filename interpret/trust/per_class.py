"""The figures of each class, which classes are the worst, and averages over classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.manifest import ClassFigures


def class_figures(matrix: NDArray[np.int64], class_names: Sequence[str]) -> list[ClassFigures]:
    """The figures of every class, in order, from a confusion matrix (M, M).

    A figure without pictures to take it from is None: recall of a class without pictures,
    precision of one that is never answered, F1 of one that has neither.
    """
    found = []
    for own, name in enumerate(class_names):
        right, examples, answers = (
            int(n) for n in (matrix[own, own], matrix[own].sum(), matrix[:, own].sum())
        )
        found.append(
            ClassFigures(
                label=name,
                examples=examples,
                answers=answers,
                recall=right / examples if examples else None,
                precision=right / answers if answers else None,
                f1=2 * right / (examples + answers) if examples + answers else None,
            )
        )
    return found


def worst_classes(figures: Sequence[ClassFigures], count: int) -> list[ClassFigures]:
    """The classes with pictures whose recall is the lowest, lowest first and of equal ones the
    larger class; those that are always right are left out.
    """
    weak = [(f.recall, -f.examples, i) for i, f in enumerate(figures) if f.recall is not None]
    return [figures[i] for recall, _, i in sorted(weak)[:count] if recall < 1]


def balanced_accuracy(figures: Sequence[ClassFigures]) -> float:
    """The mean recall of the classes that have pictures: every class counts alike, rare or not.

    It is called macro recall too. Without any pictures it is 0.
    """
    recalls = [f.recall for f in figures if f.recall is not None]
    return float(np.mean(recalls)) if recalls else 0.0


def macro_f1(figures: Sequence[ClassFigures]) -> float:
    """The mean F1 of the classes that have pictures."""
    values = [f.f1 for f in figures if f.examples and f.f1 is not None]
    return float(np.mean(values)) if values else 0.0


def imbalance(counts: Sequence[int] | NDArray[np.int64]) -> float:
    """How many times as many pictures the largest class has as the smallest one with any."""
    present = [int(count) for count in counts if count]
    return max(present) / min(present) if present else 1.0
