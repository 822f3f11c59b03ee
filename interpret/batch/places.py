"""Local paths and addresses in object stores, opened alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from interpret.bundle.errors import DpnpError

MISSING = "missing"  # the stamp of a file that is not there


class Stored(NamedTuple):
    """A file in an object store, and what changes when its content does."""

    place: str
    stamp: str


def is_remote(place: str) -> bool:
    """Whether a place is an address (s3://bucket/…), not a path."""
    return "://" in place


def stamp(place: str) -> str:
    """What changes when the content of a file does: its size and time; MISSING for none.

    Addresses get no stamp but by `below`: asking for each would take a request.
    """
    if is_remote(place):
        return ""
    try:
        found = Path(place).stat()
    except OSError:
        return MISSING
    return f"{found.st_size}:{found.st_mtime_ns}"


def read_place(place: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    if not is_remote(place):
        return Path(place).read_bytes()
    with opened(place) as file:
        content: bytes = file.read()
        return content


@contextmanager
def opened(place: str) -> Iterator[IO[bytes] | Any]:
    """A file to read from, closed at the end. Raises OSError."""
    if not is_remote(place):
        with Path(place).open("rb") as file:
            yield file
        return
    filesystem, path = _remote(place)
    with filesystem.open_input_file(path) as file:
        yield file


@contextmanager
def opened_parquet(place: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file, closed at the end. Raises OSError and ArrowException.

    Of a file on disk nothing is read ahead: Arrow's threads, which do that, may abort the process
    when the interpreter ends.
    """
    with opened(place) as file, pq.ParquetFile(file, pre_buffer=is_remote(place)) as table:
        yield table


def is_remote_folder(place: str) -> bool:
    """Whether an address is that of a folder; raises DpnpError for one that leads nowhere."""
    from pyarrow import fs

    filesystem, path = _remote(place)
    try:
        kind = filesystem.get_file_info(path.rstrip("/")).type
    except (OSError, pa.ArrowException) as error:
        raise DpnpError(f"{place}: {error}") from error
    if kind == fs.FileType.NotFound:
        raise DpnpError(f"{place}: there is nothing at this address")
    return bool(kind == fs.FileType.Directory)


def below(place: str) -> list[Stored]:
    """All files below a folder of an object store, sorted. Raises DpnpError."""
    from pyarrow import fs

    filesystem, path = _remote(place)
    prefix = place[: len(place) - len(_key(place))]
    root = path[: len(path) - len(_key(place))]
    try:
        found = filesystem.get_file_info(fs.FileSelector(path.rstrip("/"), recursive=True))
    except (OSError, pa.ArrowException) as error:
        raise DpnpError(f"{place}: {error}") from error
    return sorted(
        Stored(prefix + info.path.removeprefix(root), f"{info.size}:{info.mtime_ns}")
        for info in found
        if info.type == fs.FileType.File
    )


def absolute(place: str, folder: str) -> str:
    """A place as seen from another working folder than `folder`, where it was written down."""
    return place if is_remote(place) else os.path.join(folder, place)  # noqa: PTH118


def _key(place: str) -> str:
    """The part of an address after the bucket or host."""
    return place.partition("://")[2].partition("/")[2]


def _remote(place: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises DpnpError."""
    scheme, _, rest = place.partition("://")
    filesystem, root = _filesystem(scheme, rest.partition("/")[0])
    return filesystem, f"{root.rstrip('/')}/{_key(place)}"


@lru_cache
def _filesystem(scheme: str, host: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        filesystem, root = fs.FileSystem.from_uri(f"{scheme}://{host}/")
    except (OSError, pa.ArrowException) as error:
        raise DpnpError(f"{scheme}://{host}: {error}") from error
    return filesystem, root
