"""Worker pools: each kind of request has its own threads, so slow ones never block quick ones.

Pieces of work that wait are done in rows, one behind the other in a thread, and ask the network
together. Between two inferences the processor's caches hold little of this code: in a row only
the first piece pays for it, and the thread is changed once for all of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any, NamedTuple, TypeVar

from interpret.model.predictor import Prediction
from serving.batching import Steps, Wanted, together
from serving.http.errors import ServiceError

T = TypeVar("T")
ROW_SECONDS = 0.01  # of reading pictures; then a row is cut, so that those read need not wait


class WorkerPool:
    """A number of threads, and room for `max_requests`, those that wait for a thread included.

    BentoML's own `threads` and `max_concurrency` are shared by all endpoints: with them a flood
    of explanations would refuse predictions too. A thread is started when it is first needed, and
    the one that ended last works next. A free thread takes its share of the pieces that wait, at
    most `row()` of them.
    """

    def __init__(
        self,
        threads: int,
        max_requests: int,
        queue_seconds: float,
        row: Callable[[], int] = lambda: 1,
    ) -> None:
        self._room, self._queue_seconds, self._row = max_requests, queue_seconds, row
        self._unborn, self._timed = threads, False
        self._lock = threading.Lock()  # around the next three
        self._waiting: deque[_Piece] = deque()
        self._idle: list[_Worker] = []
        self._coming = 0  # workers that are awake, but have taken nothing yet

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the body is read and the work done. Raises ServiceError 429."""
        if not self._room:
            raise ServiceError(429, "too_many_requests", "too many requests at once; try again")
        self._room -= 1  # no lock: only the event loop's thread comes here
        try:
            yield
        finally:
            self._room += 1

    async def run(self, work: Callable[[], T | Steps[T]]) -> T:
        """Do `work` in one of the threads. Raises ServiceError 503 when none gets free in time.

        Work may come in steps: see `batching.Wanted`. Only waiting is cut short: work that has
        begun is done to its end.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        with self._lock:
            self._waiting.append(_Piece(work, copy_context(), done, loop.time()))
            woken = self._woken()
        if not woken and not self._timed:
            self._timed = True
            loop.call_later(self._queue_seconds, self._expire, loop)
        return await done

    def _woken(self) -> bool:
        """Wake or start a worker; whether there was one. The lock is held."""
        if self._idle:
            self._idle.pop().turn.release()
        elif self._unborn:
            self._unborn -= 1
            threading.Thread(target=self._serve, args=(_Worker(),), daemon=True).start()
        else:
            return False
        self._coming += 1
        return True

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse the pieces that have waited too long. One timer does for all of them."""
        late: list[_Piece] = []
        with self._lock:
            while self._waiting and self._left(self._waiting[0], loop) <= 0:
                late.append(self._waiting.popleft())
            self._timed = bool(self._waiting)
            left = self._left(self._waiting[0], loop) if self._timed else 0.0
        if left:
            loop.call_later(left, self._expire, loop)
        message = f"no thread got free within {self._queue_seconds:g} seconds"
        _end([_Ended(piece, None, ServiceError(503, "overloaded", message)) for piece in late])

    def _left(self, piece: _Piece, loop: asyncio.AbstractEventLoop) -> float:
        return piece.since + self._queue_seconds - loop.time()

    def _serve(self, worker: _Worker) -> None:
        """What a worker's thread does."""
        woken = True
        while True:
            row = self._take(worker, woken)
            woken = not row
            if row:
                self._do(row)
                del row  # the pictures that it holds
            else:
                worker.turn.acquire()

    def _take(self, worker: _Worker, woken: bool) -> list[_Piece]:
        with self._lock:
            self._coming -= woken
            if not self._waiting:
                self._idle.append(worker)
                return []
            others = len(self._idle) + self._coming
            share = -(-len(self._waiting) // (1 + others))
            return [self._waiting.popleft() for _ in range(min(share, self._row()))]

    def _put_back(self, pieces: list[_Piece]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(pieces))
            self._woken()

    def _do(self, row: list[_Piece]) -> None:
        """Do the pieces of a row step by step, and hand over what came of them, all at once."""
        ended: list[_Ended] = []
        asking: list[_Asking] = []
        start = time.thread_time()
        for number, piece in enumerate(row):
            if number and time.thread_time() - start > ROW_SECONDS:
                self._put_back(row[number:])
                break
            _step(piece, piece.work, None, ended, asking)
        while asking:
            asked, asking = asking, []
            found = together([each.wanted for each in asked])
            for (piece, steps, _), answer in zip(asked, found, strict=True):
                if isinstance(answer, Prediction):
                    _step(piece, partial(steps.send, answer), steps, ended, asking)
                else:
                    _step(piece, partial(steps.throw, answer), steps, ended, asking)
        try:
            row[0].done.get_loop().call_soon_threadsafe(_end, ended)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more


class _Piece(NamedTuple):
    """Work that waits, and who waits for it."""

    work: Callable[[], Any]
    context: Context
    done: asyncio.Future[Any]
    since: float  # the loop's time


class _Asking(NamedTuple):
    """Work that goes on when the network has answered."""

    piece: _Piece
    steps: Generator[Wanted, Prediction, Any]
    wanted: Wanted


class _Ended(NamedTuple):
    """Work that is done, or failed."""

    piece: _Piece
    result: Any
    error: BaseException | None = None


class _Worker:
    """A thread's place in the pool."""

    def __init__(self) -> None:
        self.turn = threading.Lock()  # held until there is work
        self.turn.acquire()


def _step(
    piece: _Piece,
    move: Callable[[], Any],
    steps: Generator[Wanted, Prediction, Any] | None,
    ended: list[_Ended],
    asking: list[_Asking],
) -> None:
    """Begin a piece's work, or move its steps on, up to its end or its next question."""
    try:
        found = piece.context.run(move)
        if steps is None and isinstance(found, Generator):
            steps, found = found, piece.context.run(next, found)
    except StopIteration as end:
        ended.append(_Ended(piece, end.value))
    except BaseException as error:  # the edge of the thread: its caller gets the error
        ended.append(_Ended(piece, None, error))
    else:
        if steps is None:
            ended.append(_Ended(piece, found))
        else:
            asking.append(_Asking(piece, steps, found))


def _end(ended: list[_Ended]) -> None:
    """In the event loop's thread: tell those that wait."""
    for piece, result, error in ended:
        if piece.done.done():  # its caller waits no more
            continue
        if error is None:
            piece.done.set_result(result)
        else:
            piece.done.set_exception(error)
