"""Freed memory stays with the process while a run needs it, and goes back afterwards."""

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


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory on Linux alone")
def test_it_is_kept_inside_and_given_back_outside():
    before = resident()
    use_and_free()
    assert resident() - before < MEGABYTES / 2
    with freed_memory_kept():
        use_and_free()
        assert resident() - before > MEGABYTES / 2
    assert resident() - before < MEGABYTES / 2
    use_and_free()
    assert resident() - before < MEGABYTES / 2
