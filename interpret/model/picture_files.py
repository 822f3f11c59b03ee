"""Which files below a folder are pictures, and why the others are none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from interpret.bundle.file_suffixes import has_suffix
from interpret.model.picture_formats import HEAD, format_of, unread_format

# Folders and files, in lower case, that systems and programs put beside a user's own.
_SYSTEM = {
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information"),
    *("lost+found", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
_Identity = tuple[int, int] | Path  # what tells that two paths lead to one folder
SYSTEM = "hidden, or made by the system"
LOST_LINK = "links that lead nowhere"
LOOP = "links to a folder that is read already"
SPECIAL = "no regular files"


class LeftOut(NamedTuple):
    """A file that is not used, and why, in words that follow a number of files."""

    file: Path
    reason: str


@dataclass(eq=False)
class Folder:
    """A folder with what lies directly in it. Hidden and system folders are not among them."""

    path: Path
    pictures: list[Path] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unread: bool = False  # whether one of those is a picture of a format that is not read

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def walk(self) -> Iterator[Folder]:
        """This folder and all below."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting += folder.folders

    def all_pictures(self) -> list[Path]:
        """The pictures in this folder and all below, sorted."""
        return sorted(file for folder in self.walk() for file in folder.pictures)

    def all_left_out(self) -> list[LeftOut]:
        """The files in this folder and all below that are no pictures, sorted."""
        return sorted(each for folder in self.walk() for each in folder.left_out)

    def has_pictures(self) -> bool:
        """Whether there is a picture in this folder or below."""
        return any(folder.pictures for folder in self.walk())


def pictures_in(folder: Path) -> list[Path]:
    """The pictures below a folder, sorted: see `scan`."""
    return scan(folder).all_pictures()


def scan(root: Path) -> Folder:
    """What lies below a folder, sorted by name.

    A file is a picture by its suffix; one with another suffix, or none, by its first bytes. Links
    are followed, each to a folder once. What is hidden or the system's own is left out. Raises
    OSError when `root` itself cannot be listed.
    """
    top, linked, real = Folder(root), set[_Identity](), root.resolve()
    waiting: list[tuple[Folder, tuple[_Identity, ...]]] = [(top, (_identity(root),))]
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = sorted(os.scandir(folder.path), key=lambda entry: entry.name)
        except OSError as error:
            if folder is top:
                raise
            reason = f"folders that cannot be read ({error.strerror})"
            folder.left_out.append(LeftOut(folder.path, reason))
            continue
        for entry in entries:
            path = folder.path / entry.name
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
                folder.left_out += [LeftOut(file, SYSTEM) for file in _files_at(entry)]
            elif entry.is_symlink() and not _leads_somewhere(path):
                folder.left_out.append(LeftOut(path, LOST_LINK))
            elif not entry.is_dir():
                _sort_in(folder, path, regular=entry.is_file())
            elif entry.is_symlink() and (
                _identity(path) in {*above, *linked} or real.is_relative_to(path.resolve())
            ):  # one to a folder around the root would lead back to the root, and to its siblings
                folder.left_out.append(LeftOut(path, LOOP))
            else:
                if entry.is_symlink():
                    linked.add(_identity(path))
                child = Folder(path)
                folder.folders.append(child)
                waiting.append((child, (*above, _identity(path))))
    return top


def _sort_in(folder: Folder, path: Path, *, regular: bool) -> None:
    """Put a file among the pictures of its folder, or among what is left out."""
    if not regular:  # a pipe would wait for ever
        folder.left_out.append(LeftOut(path, SPECIAL))
        return
    if has_suffix(path, "pictures"):
        folder.pictures.append(path)
        return
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        folder.left_out.append(LeftOut(path, f"files that cannot be read ({error.strerror})"))
        return
    if format_of(head) is not None:
        folder.pictures.append(path)
        return
    other = unread_format(head)
    folder.unread |= other is not None
    if other is None:
        suffix = path.suffix.lower()
        reason = f"no pictures ({suffix})" if suffix else "no pictures (without a suffix)"
    else:
        reason = f"{other} files, a format that is not read"
    folder.left_out.append(LeftOut(path, reason))


def _files_at(entry: os.DirEntry[str]) -> Iterator[Path]:
    """A file itself, or the files below a folder, links not followed."""
    if not entry.is_dir(follow_symlinks=False):
        yield Path(entry.path)
        return
    for folder, _, names in os.walk(entry.path):
        yield from (Path(folder, name) for name in names)


def _leads_somewhere(link: Path) -> bool:
    try:
        link.stat()
    except OSError:  # to nothing, or to itself
        return False
    return True


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:  # in a folder that can be listed and no more
        return path
    return found.st_dev, found.st_ino


def as_text(path: str | Path) -> str:
    r"""A path as text that UTF-8 can hold: bytes that are none are written as \xe9 and the like."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
