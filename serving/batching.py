"""Batches without a delay: all pictures that wait when the model gets free share an inference."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from interpret.model.predictor import AnyPredictor, Pixels, Prediction
from serving.telemetry.metrics import metrics


class _Item:
    """One picture that waits for its part of a batch."""

    def __init__(self, pixels: Pixels, evidence: bool) -> None:
        self.pixels, self.evidence = pixels, evidence
        # Still None on the picture's turn: its caller runs the next inference.
        self.outcome: Prediction | Exception | None = None
        self.turn = threading.Lock()  # held until the turn; an Event takes longer to make and set
        self.turn.acquire()


class BatchingPredictor:
    """A predictor whose calls from many threads share inferences of at most `max_batch` pictures.

    A call that finds the predictor free runs at once, in its own thread. Calls that come
    meanwhile wait, and the first of them runs the next inference for all that then wait. The
    pixels are checked before they get here, so no picture can spoil the batch of the others.
    """

    def __init__(self, predictor: AnyPredictor, max_batch: int) -> None:
        self.input_size, self.provider = predictor.input_size, predictor.provider
        self._predictor, self._max_batch = predictor, max_batch
        self._lock = threading.Lock()
        self._waiting: deque[_Item] = deque()
        self._busy = False

    def __call__(self, pixels: Pixels, *, evidence: bool = False) -> Prediction:
        """The prediction for one picture, uint8 RGB (1, S, S, 3)."""
        with metrics().inference.time():
            return self._wait_or_lead(_Item(pixels, evidence))

    def _wait_or_lead(self, item: _Item) -> Prediction:
        with self._lock:
            leads, self._busy = not self._busy, True
            if not leads:
                self._waiting.append(item)
        if not leads:
            item.turn.acquire()
        if item.outcome is None:
            self._lead(item)
        if isinstance(item.outcome, Exception):
            raise item.outcome
        assert item.outcome is not None
        return item.outcome

    def _lead(self, first: _Item) -> None:
        with self._lock:
            others = min(len(self._waiting), self._max_batch - 1)
            batch = [first, *(self._waiting.popleft() for _ in range(others))]
        try:
            self._run(batch)
        except Exception as error:  # the edge of the batch: every caller gets the error
            for item in batch:
                item.outcome = error
        with self._lock:
            follower = self._waiting.popleft() if self._waiting else None
            self._busy = follower is not None
        for item in batch[1:]:
            item.turn.release()
        if follower is not None:
            follower.turn.release()

    def _run(self, batch: list[_Item]) -> None:
        metrics().batch.observe(len(batch))
        evidence = any(item.evidence for item in batch)
        pixels = np.concatenate([item.pixels for item in batch])
        outputs = self._predictor(pixels, evidence=evidence)
        for row, item in enumerate(batch):
            item.outcome = outputs.part(slice(row, row + 1))
