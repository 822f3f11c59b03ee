"""Worker pools: each kind of request has its own threads, so slow ones never block quick ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from serving.http.errors import ServiceError

T = TypeVar("T")


class WorkerPool:
    """A number of threads, and room for `max_requests`, those that wait for a thread included.

    BentoML's own `threads` and `max_concurrency` are shared by all endpoints: with them a flood
    of explanations would refuse predictions too. A thread is started when it is first needed, and
    the one that ended last works next. anyio's threads would do the same in twice the time.
    """

    def __init__(self, threads: int, max_requests: int, queue_seconds: float) -> None:
        self._room, self._queue_seconds = max_requests, queue_seconds
        self._free = asyncio.Semaphore(threads)
        self._idle: list[_Worker] = []

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

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in one of the threads. Raises ServiceError 503 when none gets free in time.

        Only waiting is cut short: work that has begun is done to its end.
        """
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # at once: a timer would cost time
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        worker = self._idle.pop() if self._idle else _Worker()
        worker.start(partial(self._do, worker, partial(copy_context().run, work), loop, done))
        return await done

    def _do(
        self,
        worker: _Worker,
        work: Callable[[], Any],
        loop: asyncio.AbstractEventLoop,
        done: asyncio.Future[Any],
    ) -> None:
        """In the worker's thread: do the work, and hand over what came of it."""
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # the edge of the thread: its caller gets the error
            error = raised
        self._idle.append(worker)
        try:
            loop.call_soon_threadsafe(self._end, done, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _end(self, done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._free.release()
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ServiceError(
                503, "overloaded", f"no thread got free within {self._queue_seconds:g} seconds"
            ) from None


class _Worker:
    """A thread that does one piece of work after the other."""

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
            del work  # the picture that it holds
