"""Answers in the metrics, each compared with the training images of its class."""

from __future__ import annotations

import threading

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
        self._moved: dict[int, str] = {}  # classes with answers since their scores were told

    def __call__(self, answer: Classification) -> None:
        """Count an answer."""
        later().put(self._count, answer)

    def _count(self, answer: Classification) -> None:
        ranks = self._reference.ranks(answer.index, answer.positive.distance, answer.margin)
        metrics().answered(answer, ranks)
        if ranks is None:
            return
        with self._lock:
            self._drift.add(answer.index, ranks[0])
            if not self._moved:  # its turn comes after the answers that already wait
                later().put(self._score)
            self._moved[answer.index] = answer.label

    def _score(self) -> None:
        """Tell the drift of each class that has new answers: it takes longer than to count one."""
        with self._lock:
            for index, label in self._moved.items():
                if (score := self._drift.score(index)) is not None:
                    metrics().drifted(label, score)
            self._moved.clear()
