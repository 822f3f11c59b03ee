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
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from types import GeneratorType
from typing import Any, NamedTuple, TypeVar

from serving.batching import Steps, Wanted, together
from serving.http.errors import ServiceError

T = TypeVar("T")
ROUNDS = 3  # of the event loop before work is handed out: some ten microseconds each
ROW_SECONDS = 0.01  # of reading pictures; then a row is cut, so that those read need not wait


class WorkerPool:
    """A number of threads, and room for `max_requests`, those that wait for a thread included.

    BentoML's own `threads` and `max_concurrency` are shared by all endpoints: with them a flood
    of explanations would refuse predictions too. A thread is started when it is first needed, and
    the one that ended last works next. A free thread is given its share of the pieces that wait,
    at most `row()` of them.

    All but `_do` runs in the event loop's thread.
    """

    def __init__(
        self,
        threads: int,
        max_requests: int,
        queue_seconds: float,
        row: Callable[[], int] = lambda: 1,
    ) -> None:
        self.room, self._queue_seconds, self._row = max_requests, queue_seconds, row
        self._waiting: deque[_Piece] = deque()
        self._idle: list[_Worker] = []
        self._unborn = threads
        self._called = self._timed = False  # whether `_hand_out` and `_expire` are to come

    def place(self) -> _Place:
        """A place, to be held while the body is read and the work done. Raises ServiceError 429."""
        return _Place(self)

    async def run(self, work: Callable[[], T | Steps[T]]) -> T:
        """Do `work` in one of the threads. Raises ServiceError 503 when none gets free in time.

        Work may come in steps: see `batching.Wanted`. Only waiting is cut short: work that has
        begun is done to its end.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Piece(work, copy_context(), done, loop.time()))
        self._call(loop)
        return await done

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the work handed out when the loop has gone round a few times without waiting.

        By then it has sent the answers of the row before, and read what came upon them. So the
        requests of clients that ask again at once come into one row.
        """
        if not self._called:
            self._called = True
            loop.call_soon(self._go_round, loop, ROUNDS)

    def _go_round(self, loop: asyncio.AbstractEventLoop, left: int) -> None:
        if left:
            loop.call_soon(self._go_round, loop, left - 1)
        else:
            self._hand_out(loop)

    def _hand_out(self, loop: asyncio.AbstractEventLoop) -> None:
        self._called = False
        while self._waiting and (free := len(self._idle) + self._unborn):
            share = -(-len(self._waiting) // free)
            row = [self._waiting.popleft() for _ in range(min(share, self._row()))]
            if not self._idle:
                self._unborn -= 1
                self._idle.append(_Worker())
            worker = self._idle.pop()
            worker.start(partial(self._do, worker, row, loop))
        if self._waiting and not self._timed:
            self._timed = True
            loop.call_later(self._left(loop), self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse the pieces that have waited too long. One timer does for all of them."""
        message = f"no thread got free within {self._queue_seconds:g} seconds"
        while self._waiting and self._left(loop) <= 0:
            late = self._waiting.popleft()
            _tell(_Ended(late, None, ServiceError(503, "overloaded", message)))
        self._timed = bool(self._waiting)
        if self._timed:
            loop.call_later(self._left(loop), self._expire, loop)

    def _left(self, loop: asyncio.AbstractEventLoop) -> float:
        return self._waiting[0].since + self._queue_seconds - loop.time()

    def _do(self, worker: _Worker, row: list[_Piece], loop: asyncio.AbstractEventLoop) -> None:
        """In the worker's thread: do the pieces step by step, and hand over what came of them.

        They are handed over all at once.
        """
        ended: list[_Ended] = []
        asking: list[_Asking] = []
        late: list[_Piece] = []
        start = time.thread_time()
        for number, piece in enumerate(row):
            if number and time.thread_time() - start > ROW_SECONDS:
                late = row[number:]
                break
            _step(piece, piece.work, None, ended, asking)
        while asking:
            asked, asking = asking, []
            found = together([each.wanted for each in asked])
            for (piece, steps, _), answer in zip(asked, found, strict=True):
                go_on = steps.throw if isinstance(answer, Exception) else steps.send
                _step(piece, partial(go_on, answer), steps, ended, asking)
        try:
            loop.call_soon_threadsafe(self._end, worker, ended, late, loop)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _end(
        self,
        worker: _Worker,
        ended: list[_Ended],
        late: list[_Piece],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        for each in ended:
            _tell(each)
        self._waiting.extendleft(reversed(late))
        self._idle.append(worker)
        self._call(loop)


class Tickets:
    """A semaphore of which one is held inside of a `with`. Python's own takes five times as long,
    as it is written in Python; this queue is not.
    """

    def __init__(self, number: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(number):
            self._free.put(None)

    def __enter__(self) -> None:
        self._free.get()

    def __exit__(self, *_: object) -> None:
        self._free.put(None)


class _Place:
    """One of the places of a pool. A class: a generator's context manager takes twice as long."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        if not self._pool.room:
            raise ServiceError(429, "too_many_requests", "too many requests at once; try again")
        self._pool.room -= 1

    def __exit__(self, *_: object) -> None:
        self._pool.room += 1


class _Piece(NamedTuple):
    """Work that waits, and who waits for it."""

    work: Callable[[], Any]
    context: Context
    done: asyncio.Future[Any]
    since: float  # the loop's time


class _Asking(NamedTuple):
    """Work that goes on when its question is answered."""

    piece: _Piece
    steps: Steps[Any]
    wanted: Wanted


class _Ended(NamedTuple):
    """Work that is done, or failed."""

    piece: _Piece
    result: Any
    error: BaseException | None = None


class _Worker:
    """A thread that does one row after the other."""

    def __init__(self) -> None:
        self._work: Callable[[], None] | None = None
        self._turn = threading.Lock()  # held until there is work
        self._turn.acquire()
        threading.Thread(target=self._serve, daemon=True).start()

    def start(self, work: Callable[[], None]) -> None:
        """Have the thread, which is idle, do `work`, which raises nothing."""
        self._work = work
        self._turn.release()

    def _serve(self) -> None:
        while True:
            self._turn.acquire()
            work, self._work = self._work, None
            assert work is not None
            work()
            del work  # the pictures that it holds


def _step(
    piece: _Piece,
    move: Callable[[], Any],
    steps: Steps[Any] | None,
    ended: list[_Ended],
    asking: list[_Asking],
) -> None:
    """Begin a piece's work, or move its steps on, up to its end or its next question."""
    try:
        found = piece.context.run(move)
        if steps is None and isinstance(found, GeneratorType):
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


def _tell(ended: _Ended) -> None:
    """Tell the one that waits, if it still does."""
    piece, result, error = ended
    if piece.done.done():
        return
    if error is None:
        piece.done.set_result(result)
    else:
        piece.done.set_exception(error)
