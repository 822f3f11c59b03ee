"""Everything that labelled pictures say about a bundle, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.calibration_record import Confusion
from interpret.bundle.manifest import ClassFigures, Geometry, Metrics
from interpret.trust.confusion import confusion_matrix, confusions
from interpret.trust.groups import GroupShares
from interpret.trust.intervals import wilson_interval
from interpret.trust.metrics import Scored, metrics
from interpret.trust.per_class import macro_f1, worst_classes
from interpret.trust.verdict import Verdict

WORST = 3  # classes named apart


@dataclass(frozen=True)
class Evaluation:
    """The figures of N pictures, and what is known of each. Shares are fractions."""

    class_names: list[str]
    metrics: Metrics
    scored: Scored = field(repr=False)
    matrix: NDArray[np.int64] = field(repr=False)  # (M, M): classes by answers
    trained_on: NDArray[np.bool_] = field(repr=False)  # (N,): the model has learnt this very one
    verdicts: list[Verdict] = field(repr=False, default_factory=list)  # N, or none: not measured
    groups: GroupShares | None = None  # None: not measured

    @classmethod
    def of(
        cls,
        scored: Scored,
        split: str,
        measured: Geometry,
        class_names: list[str],
        trained_on: NDArray[np.bool_],
        verdicts: list[Verdict] | None = None,
        groups: GroupShares | None = None,
    ) -> Evaluation:
        """All figures of the pictures of a split."""
        matrix = confusion_matrix(scored.labels, scored.predicted, len(class_names))
        figures = metrics(scored, split, measured, class_names)
        return cls(class_names, figures, scored, matrix, trained_on, verdicts or [], groups)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson_interval(int(self.scored.right.sum()), len(self.scored.labels))

    @property
    def per_class(self) -> list[ClassFigures]:
        """The figures of every class, in order."""
        assert self.metrics.per_class is not None
        return self.metrics.per_class

    @property
    def worst(self) -> list[ClassFigures]:
        """The classes with the lowest recall."""
        return worst_classes(self.per_class, WORST)

    @property
    def confusions(self) -> list[Confusion]:
        """Every pair of a class and a wrong answer it got, the most frequent first."""
        return confusions(self.matrix, self.class_names)

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that have pictures."""
        return macro_f1(self.per_class)

    @property
    def largest_class(self) -> float:
        """The accuracy of always answering the class that most pictures are of."""
        return float(self.matrix.sum(1).max() / max(self.matrix.sum(), 1))

    @property
    def top(self) -> dict[int, float]:
        """The share of the pictures whose class is among the k most probable, for k = 1 and 5, or
        2 where five are all classes there are.
        """
        classes = len(self.class_names)
        return {k: self.scored.top(k) for k in (1, 5 if classes > 5 else 2) if k < classes}

    @property
    def accuracy_of_new(self) -> float | None:
        """The accuracy on the pictures that were not trained on; None when all of them were."""
        new = self.scored.right[~self.trained_on]
        return float(new.mean()) if len(new) else None

    def document(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        return self.metrics.model_dump() | {
            "interval_95": list(self.interval),
            "largest_class": self.largest_class,
            "macro_recall": self.metrics.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "top": {f"top_{k}": share for k, share in self.top.items()},
            "worst_classes": [each.label for each in self.worst],
            "confusions": [each.model_dump() for each in self.confusions],
            "trained_on": int(self.trained_on.sum()),
            "accuracy_of_new": self.accuracy_of_new,
            "groups": None if self.groups is None else self.groups._asdict(),
        }
