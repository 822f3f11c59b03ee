"""Cores for what is measured, and others for what measures it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

ALL = sorted(os.sched_getaffinity(0))
SERVER = set(ALL[:-1]) or set(ALL)
LOAD = {ALL[-1]}


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Run this thread, and all that it starts, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def told() -> str:
    """Which cores do what, and how busy the machine is with other things."""
    return (
        f"server on {len(SERVER)} of {len(ALL)} cores, load from one; load {os.getloadavg()[0]:.1f}"
    )
