"""WebDataset shards: archives whose samples are NAME.jpg with NAME.cls or NAME.json."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interpret.batch.webdataset import (
    FIELDS,
    LARGEST_LABEL,
    label_in,
    may_hold_label,
    sample_key,
)
from interpret.bundle.file_suffixes import has_suffix
from interpret.model.picture_files import as_text
from training.config.errors import DataError
from training.data.shard_rows import ShardRows


class _Member(NamedTuple):
    name: str
    offset: int
    size: int
    content: bytes | None  # of a file that may hold the label


def index_tar(file: Path) -> ShardRows:
    """Where each picture of an archive lies, and its label. No picture is read.

    Raises DataError that names the archive and the member.
    """
    places, labels, names = [], [], []
    for _, sample in groupby(_members(file), lambda member: sample_key(member.name)):
        members = list(sample)
        pictures = [member for member in members if member.content is None]
        if not pictures:
            continue
        if len(pictures) > 1:
            both = " and ".join(member.name for member in pictures[:2])
            raise DataError(f"{as_text(file)}: {both} are one sample: it must have one picture")
        places.append((pictures[0].offset, pictures[0].size))
        labels.append(_label(file, pictures[0].name, members))
        names.append(as_text(pictures[0].name))
    if not names:
        raise DataError(f"{as_text(file)}: no pictures in the archive")
    return ShardRows(np.array(places, np.int64), labels, names)


def read_tar(file: Path, offset: int, size: int) -> bytes:
    """The bytes of a picture. Raises OSError."""
    with file.open("rb", buffering=0) as archive:
        data = os.pread(archive.fileno(), size, offset)
    if len(data) < size:
        raise OSError(f"the archive ends after {len(data)} of {size} bytes: it was changed")
    return data


def _members(file: Path) -> Iterator[_Member]:
    """The pictures and labels of an archive, in its order."""
    last, whole = "its start", file.stat().st_size
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                if member.offset_data + member.size > whole:
                    raise DataError(f"{as_text(file)}: cut short in the middle of {member.name}")
                last = member.name
                if not member.isfile():
                    continue
                if has_suffix(Path(member.name), "pictures"):
                    yield _Member(member.name, member.offset_data, member.size, None)
                elif may_hold_label(member.name):
                    if member.size > LARGEST_LABEL:
                        raise DataError(f"{as_text(file)}: {member.name} is too large for a label")
                    content = archive.extractfile(member)
                    assert content is not None  # a regular file has content
                    yield _Member(member.name, 0, member.size, content.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{as_text(file)}: unreadable after {last} ({error})") from error


def _label(file: Path, picture: str, members: list[_Member]) -> str:
    """The label of a sample: the text of NAME.cls, or a field of NAME.json."""
    held = [(each.name, each.content) for each in members if each.content is not None]
    try:
        found = label_in(held)
    except ValueError as error:
        raise DataError(f"{as_text(file)}: {error}") from error
    if found is not None:
        return found
    key = sample_key(picture)
    raise DataError(
        f"{as_text(file)}: {picture} has no label: {key}.cls, or {key}.json with a field "
        f"{FIELDS[0]!r}, must stand beside it in the archive (tar --sort=name does it)"
    )
