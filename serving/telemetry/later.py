"""Telemetry's work, put off by some milliseconds and then done for many requests at once.

Between two inferences the processor's caches hold little of this code: a piece of work alone
takes five to ten times as long as in a row of its kind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

SECONDS = 0.05  # that work waits at most while requests end
_MOST = 4096  # pieces that wait; the next one has them done

_LOG = logging.getLogger(__name__)


class Later:
    """Pieces of work that wait; any thread may add some."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timed = False

    def put(self, work: Callable[..., object], *arguments: Any) -> None:
        """Do `work` with these arguments at the next `flush`."""
        self._waiting.append((work, arguments))
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
        """Do all that waits, in order."""
        while self._waiting:
            try:
                work, arguments = self._waiting.popleft()
            except IndexError:  # another thread flushes as well
                return
            try:
                work(*arguments)
            except Exception:  # the edge: the rest is done all the same
                _LOG.exception("telemetry failed")


@cache
def later() -> Later:
    """The one of this process."""
    return Later()
