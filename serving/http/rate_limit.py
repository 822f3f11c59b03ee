"""How often one client may ask."""

from __future__ import annotations

from collections import OrderedDict

MAX_CLIENTS = 10_000  # remembered at once: some 2 MB


class RateLimit:
    """Each client may make `per_minute` requests at once, and as many a minute in the long run.

    Of a client only one moment is kept: when all its requests will be allowed again.
    """

    def __init__(self, per_minute: int, max_clients: int = MAX_CLIENTS) -> None:
        self._interval = 60.0 / per_minute
        self._slack = 60.0 - self._interval
        self._max_clients = max_clients
        self._free_at: OrderedDict[str, float] = OrderedDict()  # the longest unseen client first

    def wait(self, client: str, now: float) -> float:
        """Count a request. Returns 0 when it is allowed, or the seconds until one will be."""
        free_at = max(now, self._free_at.get(client, now))
        wait = free_at - now - self._slack
        if wait > 1e-9:  # rounding
            return wait
        self._free_at[client] = free_at + self._interval
        self._free_at.move_to_end(client)
        if len(self._free_at) > self._max_clients:
            self._free_at.popitem(last=False)
        return 0.0
