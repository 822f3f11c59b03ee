"""Writing files and folders so that a crash leaves the old state or the new, never a mixture."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # from linux/fcntl.h and linux/fs.h


@contextmanager
def temporary_sibling(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, on the same file system; removed at the end if still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    folder.chmod(0o755)
    try:
        yield folder
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say which file it was
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Put the folder `new` at `path` in one rename, in place of what is there.

    The content is flushed to the disk first. After the call an earlier folder stands at `new`.
    """
    for file in new.iterdir():
        _sync(file)
    _sync(new)
    if not path.exists():
        new.rename(path)
    elif not _exchange(new, path):
        # No atomic exchange on this system: the old folder is moved away first, and back on error.
        old = new.with_name(f"{new.name}-old")
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
        old.rename(new)
    _sync(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it and a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are their owner's only, and a figure is there to be shared.
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # nobody has asked for the temporary one
        raise
    finally:
        temporary.unlink(missing_ok=True)  # still there only after an error
    _sync(path.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two paths atomically (Linux renameat2); False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    result = renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return bool(result == 0)


def _sync(path: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
