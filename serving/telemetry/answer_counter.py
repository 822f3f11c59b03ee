"""Answers in the metrics, each compared with the training images of its class."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from interpret.bundle.bundle import Bundle
from interpret.explain.answers import Classification
from serving.telemetry.drift import Drift, Reference
from serving.telemetry.later import later
from serving.telemetry.metrics import metrics


class AnswerCounter:
    """Counts the answers of one bundle, a little later."""

    def __init__(self, bundle: Bundle) -> None:
        self._reference, self._drift = Reference(bundle), Drift(len(bundle.prototypes))
        self._lock = threading.Lock()

    def __call__(self, answer: Classification) -> None:
        """Count an answer."""
        later().put(self._count, answer)

    def _count(self, answers: Sequence[Classification]) -> None:
        """Count answers, and tell the drift of their classes."""
        ranks = [
            # The margin to the nearest rival: that of /explain may be to another one.
            self._reference.ranks(answer.index, answer.positive.distance, answer.limits.margin)
            for answer in answers
        ]
        metrics().answered(answers, ranks)
        with self._lock:
            moved: dict[int, str] = {}
            for answer, own in zip(answers, ranks, strict=True):
                if own is not None:
                    self._drift.add(answer.index, own[0])
                    moved[answer.index] = answer.label
            for index, label in moved.items():
                if (score := self._drift.score(index)) is not None:
                    metrics().drifted(label, score)
