"""Freed memory stays with the process while a run needs it, and goes back afterwards.

In a process of its own: the heap of one that has trained has gaps that the memory fits into.
"""

import multiprocessing
import os
import sys
from pathlib import Path

import pytest
import torch

from training.run.freed_memory import freed_memory_kept

MEGABYTES = 256


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def use_and_free() -> None:
    del [torch.ones(MEGABYTES * 2**18)][0]


def growth() -> list[float]:
    """Megabytes that stay after use: before the context, inside, at its end, and after it."""
    before = resident()
    use_and_free()
    found = [resident() - before]
    with freed_memory_kept():
        use_and_free()
        found.append(resident() - before)
    found.append(resident() - before)
    use_and_free()
    return [*found, resident() - before]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory on Linux alone")
def test_it_is_kept_inside_and_given_back_outside():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        kept = [stays > MEGABYTES / 2 for stays in pool.apply(growth)]
    assert kept == [False, True, False, False]
