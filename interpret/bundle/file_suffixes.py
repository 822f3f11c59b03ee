"""The suffixes of the files that are read and written, and the error for a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from interpret.bundle.errors import DpnpError

FileKind = Literal["pictures", "figures", "pages", "tables", "plain tables"]

SUFFIXES: dict[FileKind, tuple[str, ...]] = {
    "pictures": (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"),
        *(".heic", ".heif", ".avif"),
    ),
    "figures": (".png", ".pdf", ".svg"),
    "pages": (".html", ".htm"),
    "tables": (".parquet", ".csv"),
    "plain tables": (".csv",),
}


def has_suffix(path: Path, kind: FileKind) -> bool:
    """Whether the path ends in one of the kind's suffixes, in upper or lower case."""
    return path.suffix.lower() in SUFFIXES[kind]


def check_suffix(path: Path, kind: FileKind) -> None:
    """Raise a DpnpError that lists the kind's suffixes when the path has none of them."""
    if not has_suffix(path, kind):
        *others, last = SUFFIXES[kind]
        listed = f"{', '.join(others)} or {last}" if others else last
        raise DpnpError(f"{path}: {kind} are written as {listed}")
