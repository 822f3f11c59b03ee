"""Telemetry's work, put off by some milliseconds and then done for many requests at once.

Between two inferences the processor's caches hold little of this code: a piece of work alone
takes five to ten times as long as in a row of its kind. And much is done once for all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 0.05  # that work waits at most while requests end
_MOST = 4096  # things that wait; the next one has them done

_LOG = logging.getLogger(__name__)


class Later:
    """Things that wait to be worked on; any thread may add some."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Sequence[Any]], object], Any]] = deque()
        self._timed = False

    def put(self, work: Callable[[Sequence[T]], object], thing: T) -> None:
        """Have `work` done at the next `flush`, on this and all else that waits for the same."""
        self._waiting.append((work, thing))
        if len(self._waiting) > _MOST:
            self.flush()

    def schedule(self) -> None:
        """Have the running event loop flush within SECONDS."""
        if not self._timed:
            self._timed = True
            asyncio.get_running_loop().call_later(SECONDS, self._on_time)

    def _on_time(self) -> None:
        self._timed = False
        self.flush()

    def flush(self) -> None:
        """Do all that waits: each work once, on its things in their order."""
        while self._waiting:
            things: dict[Callable[[Sequence[Any]], object], list[Any]] = {}
            try:
                while self._waiting:
                    work, thing = self._waiting.popleft()
                    things.setdefault(work, []).append(thing)
            except IndexError:  # another thread flushes as well
                pass
            for work, own in things.items():
                try:
                    work(own)
                except Exception:  # the edge: the rest is done all the same
                    _LOG.exception("telemetry failed")


@cache
def later() -> Later:
    """The one of this process."""
    return Later()
