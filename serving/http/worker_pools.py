"""Worker pools: each kind of request has its own threads, so slow ones never block quick ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from serving.http.errors import ServiceError

T = TypeVar("T")


class WorkerPool:
    """A number of threads, and room for `max_requests`, those that wait for a thread included.

    BentoML's own `threads` and `max_concurrency` are shared by all endpoints: with them a flood
    of explanations would refuse predictions too.
    """

    def __init__(self, threads: int, max_requests: int, queue_seconds: float) -> None:
        self._room, self._queue_seconds = max_requests, queue_seconds
        self._free, self._limiter = asyncio.Semaphore(threads), CapacityLimiter(threads)

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
        try:
            return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._free.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ServiceError(
                503, "overloaded", f"no thread got free within {self._queue_seconds:g} seconds"
            ) from None
