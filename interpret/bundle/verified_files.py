"""The files of a bundle: each is read only once its hash was checked, and hashed as it is written.

Small files are read. Large ones are mapped: only what is used of them takes memory, and processes
that serve the same bundle share it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from pathlib import Path
from typing import BinaryIO

from interpret.bundle.errors import BundleError
from interpret.bundle.manifest import FileEntry

MAPPED_FROM = 32 * 2**20  # bytes
CHUNK = 2**24  # bytes looked at together; a multiple of any page size
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Content = bytes | mmap.mmap


def check_name(folder: Path, name: str) -> None:
    """Raise BundleError for a name that would lead out of the bundle's folder."""
    if not _PLAIN_NAME.fullmatch(name):
        raise BundleError(f"{folder / 'manifest.json'}: {name!r} is not a plain file name")


def verified(folder: Path, name: str, entry: FileEntry) -> Content:
    """The content of a file, after its size and hash were checked. Raises BundleError."""
    content = opened(folder, name, entry)
    check_hash(folder / name, content, entry)
    return content


def opened(folder: Path, name: str, entry: FileEntry) -> Content:
    """The content of a file of the right size, not checked yet.

    It stays the same when another file takes the name. Raises BundleError.
    """
    check_name(folder, name)
    try:
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != entry.size:
                raise _changed(folder / name)
            if size < MAPPED_FROM:
                return file.read()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BundleError(f"{folder / name}: {error.strerror}") from error


class HeldFile:
    """A verified file that stays open, for libraries that read files by name."""

    def __init__(self, folder: Path, name: str, entry: FileEntry) -> None:
        """Raises BundleError for another content than `entry` says."""
        check_name(folder, name)
        self._path, self._descriptor = folder / name, -1
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            with os.fdopen(os.dup(self._descriptor), "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if file.tell() != entry.size or digest != entry.sha256:
                    raise _changed(self._path)
        except OSError as error:
            raise BundleError(f"{self._path}: {error.strerror}") from error

    @property
    def place(self) -> str:
        """A name that leads to the very file that was verified, where the system has one."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        held = Path(f"/proc/self/fd/{self._descriptor}")
        return str(held if held.exists() else self._path)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def check_hash(file: Path, content: Content, entry: FileEntry) -> None:
    """Raise BundleError when the content is not what was written."""
    digest, view = hashlib.sha256(), memoryview(content)
    for start in range(0, len(view), CHUNK):
        digest.update(view[start : start + CHUNK])
        release(content)
    if len(view) != entry.size or digest.hexdigest() != entry.sha256:
        raise _changed(file)


def release(content: object) -> None:
    """Let go of the pages of a mapped file that were touched; they are read again when needed."""
    if isinstance(content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        content.madvise(mmap.MADV_DONTNEED)


def entry_of(file: Path) -> FileEntry:
    """What the manifest says of a file that is there."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        return FileEntry(sha256=digest, size=content.tell())


class HashedFile:
    """A new file that is hashed as it is written. What libraries write with, and a context."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._digest, self._size = hashlib.sha256(), 0
        self.closed = False  # pyarrow asks for it

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes."""
        self._digest.update(data)
        written = self._file.write(data)
        self._size += written
        return written

    def tell(self) -> int:
        """How many bytes there are."""
        return self._size

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self.closed = True
        self._file.close()

    @property
    def entry(self) -> FileEntry:
        """What the manifest says of the file."""
        return FileEntry(sha256=self._digest.hexdigest(), size=self._size)


def _changed(file: Path) -> BundleError:
    return BundleError(f"{file}: changed since it was written (SHA-256 does not match)")
