"""Samples of WebDataset shards: files of one sample share their name up to the dot, and NAME.cls or
NAME.json holds the label.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from interpret.bundle.file_suffixes import has_suffix

FIELDS = ("label", "cls", "class")  # of a .json, the first that is there
_LARGEST_LABEL = 1_000_000  # bytes of a file that holds a label
_SUFFIXES = (".cls", ".json")


class Member(NamedTuple):
    """A picture or a label in a shard. The content is None where it was not read."""

    name: str
    offset: int  # of its bytes in the shard, if that is not compressed
    size: int
    content: bytes | None


class Sample(NamedTuple):
    """The pictures of a sample, often one, and the members that may hold its label."""

    pictures: list[Member]
    labels: list[Member]

    def label(self) -> str | None:
        """The label, from a .cls before a .json; None for none.

        Raises ValueError that names the member which is too large, or neither text nor JSON.
        """
        for member in sorted(self.labels, key=lambda each: each.name.endswith(".json")):
            if member.content is None:
                raise ValueError(f"{member.name}: too large for a label")
            try:
                found = _label_in(member.name, member.content)
            except ValueError as error:
                raise ValueError(f"{member.name}: no label in it ({error})") from error
            if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
                return str(found).strip()
        return None


def samples_in(archive: tarfile.TarFile, *, read: bool) -> Iterator[Sample]:
    """The samples of a shard that have pictures, in its order; `read` says whether the pictures
    are read, too.

    Raises OSError, EOFError and TarError where the shard cannot be read further.
    """
    for _, group in groupby(_members(archive, read), lambda member: sample_key(member.name)):
        sample = Sample([], [])
        for member in group:
            (sample.pictures if _is_picture(member.name) else sample.labels).append(member)
        if sample.pictures:
            yield sample


def sample_key(name: str) -> str:
    """What the files of a sample share of their names."""
    path = PurePosixPath(name)
    return str(path.parent / path.name.partition(".")[0])


def _members(archive: tarfile.TarFile, read: bool) -> Iterator[Member]:
    """The pictures and labels of an archive."""
    for member in archive:
        archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
        picture = _is_picture(member.name)
        if not member.isfile() or not (picture or member.name.endswith(_SUFFIXES)):
            continue
        content = None
        if read if picture else member.size <= _LARGEST_LABEL:
            file = archive.extractfile(member)
            assert file is not None  # a regular file has content
            content = file.read()
        yield Member(member.name, member.offset_data, member.size, content)


def _is_picture(name: str) -> bool:
    return has_suffix(Path(name), "pictures")


def _label_in(name: str, content: bytes) -> object:
    if name.endswith(".cls"):
        return content.decode().strip()
    fields = json.loads(content)
    known = fields if isinstance(fields, dict) else {}
    return next((known[field] for field in FIELDS if field in known), "")
