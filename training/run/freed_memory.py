"""What is freed during training stays with the process, where the C library is glibc.

Feature maps of some 100 MB are made and freed many times in a step. By its defaults glibc gives
each back to the system, which fills it with zeros when it is asked for again. On a CPU that takes
up to a third of a step (`python -m tests.benchmarks.training_step_parts`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt's names for them, in malloc.h
_KEEP = {_TRIM_THRESHOLD: -1, _MMAP_MAX: 0}  # never shrink, and map nothing apart
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65536}


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """In this context; at its end what is free goes back to the system."""
    library = _glibc()
    if library is None:
        yield
        return
    for name, value in _KEEP.items():
        library.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in _DEFAULTS.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # TypeError: Windows
        return None
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
