"""Who computes a batch job. The command line imports this file, so it stays light."""

from __future__ import annotations

from typing import Literal, NamedTuple

Engine = Literal["local", "ray"]


class Workers(NamedTuple):
    """How many processes of Ray work, and on what."""

    processes: int | None = None  # None: as many as fit
    gpus: float = 0  # of each
