"""Batches without a delay: all pictures that wait when the model gets free share an inference."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from interpret.model.predictor import AnyPredictor, Pixels, Prediction, concatenated
from serving.telemetry.metrics import metrics

T = TypeVar("T")


class Wanted(NamedTuple):
    """A question that a piece of work, in the middle of it, asks together with others of its row.

    All work of a row is done for many requests at once where it can be: the network, and NumPy,
    take hardly longer for sixteen pictures than for one of them that comes alone.
    """

    ask: Callable[[Sequence[Any]], Sequence[Any]]  # answers such questions, in order
    question: Any


# Work that asks, goes on with the answer to its own question, and ends with a T.
Steps = Generator[Wanted, Any, T]


def together(wanted: Sequence[Wanted]) -> list[Any]:
    """The answer to each question, or the Exception why there is none.

    Those that ask the same share a call, and its fault.
    """
    found: dict[int, Any] = {}
    for ask in {each.ask: None for each in wanted}:
        rows = [row for row, each in enumerate(wanted) if each.ask == ask]
        try:
            answers = ask([wanted[row].question for row in rows])
        except Exception as error:  # the edge of the row: every piece of work gets the error
            answers = [error] * len(rows)
        found |= zip(rows, answers, strict=True)
    return [found[row] for row in range(len(wanted))]


class _Item:
    """Pictures of one call that wait for their part of a batch."""

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
        """The prediction for uint8 RGB pictures (N, S, S, 3).

        More than `max_batch` of them take several inferences, and other calls come in between.
        """
        with metrics().inference.time():
            if len(pixels) <= self._max_batch:
                return self._wait_or_lead(_Item(pixels, evidence))
            # Equal parts: a small one at the end would take longer for each of its pictures.
            parts = np.array_split(pixels, -(-len(pixels) // self._max_batch))
            return concatenated([self._wait_or_lead(_Item(part, evidence)) for part in parts])

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
        batch, room = [first], self._max_batch - len(first.pixels)
        with self._lock:
            while self._waiting and len(self._waiting[0].pixels) <= room:
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].pixels)
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
        evidence = any(item.evidence for item in batch)
        alone = len(batch) == 1
        pixels = batch[0].pixels if alone else np.concatenate([item.pixels for item in batch])
        metrics().batch.observe(len(pixels))
        outputs = self._predictor(pixels, evidence=evidence)
        if alone:
            batch[0].outcome = outputs
            return
        end = 0
        for item in batch:
            start, end = end, end + len(item.pixels)
            item.outcome = outputs.part(slice(start, end))
