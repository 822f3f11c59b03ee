"""Arrays of numbers on disk: NumPy's format, rows of finite numbers, never a pickle."""

from __future__ import annotations

import io
import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.errors import BundleError
from interpret.bundle.verified_files import CHUNK, Content, release


def array_bytes(array: NDArray[np.floating], kind: type[np.floating] = np.float32) -> bytes:
    """A NumPy file of the numbers."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, dtype=kind), allow_pickle=False)
    return buffer.getvalue()


def read_array(file: Path, content: Content, kind: str) -> NDArray[Any]:
    """The array (n, d) in a file: in memory, or of a mapped file the numbers where they are.

    Raises BundleError that names `file`, for another kind than `kind` too.
    """
    try:
        if isinstance(content, bytes):
            # Not np.load: that would open archives and pickles too.
            array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        else:
            array = _mapped_array(content)
    except (ValueError, EOFError, MemoryError) as error:
        raise BundleError(f"{file}: not a NumPy array ({error})") from error
    if array.dtype != kind or array.ndim != 2 or not _finite(array, content):
        raise BundleError(
            f"{file}: {array.dtype} of {array.ndim} dimensions, not finite {kind} of 2"
        )
    result: NDArray[Any] = array
    return result


def origin(array: NDArray[Any]) -> object:
    """What holds the numbers: the mapped file that they lie in, or an array in memory."""
    held: object = array
    while isinstance(held, np.ndarray | memoryview):
        below = held.base if isinstance(held, np.ndarray) else held.obj
        if below is None:
            break
        held = below
    return held


def _mapped_array(content: mmap.mmap) -> NDArray[Any]:
    header = io.BytesIO(content[:4096])
    if np.lib.format.read_magic(header) != (1, 0):
        raise ValueError("a large array of another version than 1.0")
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(header)
    if by_columns or kind.hasobject:
        raise ValueError("not rows of numbers")
    return np.frombuffer(content, kind, math.prod(shape), header.tell()).reshape(shape)


def _finite(array: NDArray[Any], content: Content) -> bool:
    rows = max(1, CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        if not np.isfinite(array[start : start + rows]).all():
            return False
        release(content)
    return True
