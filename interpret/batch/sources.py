"""What a source of pictures holds, cut into parts in the same way each time.

A source is a picture, a folder, a list of paths (.txt), a Parquet file of bytes or paths, a
WebDataset shard (.tar), or the address of such a thing in an object store.
"""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from interpret.batch import places
from interpret.batch.class_names import CLASSES, named, read_names
from interpret.batch.parquet_columns import (
    PictureColumns,
    class_names,
    label_of,
    picture_columns,
)
from interpret.bundle.errors import DpnpError
from interpret.bundle.file_suffixes import SUFFIXES
from interpret.model.picture_files import Folder, scan

Kind = Literal["files", "parquet", "tar"]
ARCHIVES = (".tar", ".tar.gz", ".tgz")
LISTS = (".txt", ".lst")
LARGEST_PART = 4096  # pictures: what a cut job does again at most, for each worker
_SMALLEST_PART = 64
_PARTS = 64  # of a small source, so that several workers share it


@dataclass(frozen=True)
class Part:
    """Pictures that are answered together: files, or rows of a Parquet file, or an archive."""

    kind: Kind
    places: tuple[str, ...]
    labels: tuple[str | None, ...] = ()  # of files: their own, where a table gives it
    first: int = 0  # row of a Parquet file
    count: int | None = None  # pictures; None for an archive, which does not tell
    classes: str | None = None  # of shards: the file with the names of labels that are numbers


@dataclass(frozen=True)
class Listing:
    """All parts of a source, in order, and a digest that changes when the source does."""

    parts: list[Part]
    digest: str

    @property
    def pictures(self) -> int | None:
        """How many there are; None with archives, which do not tell."""
        counts = [part.count for part in self.parts]
        return None if None in counts else sum(count or 0 for count in counts)


class _Entry(NamedTuple):
    """A picture file, a Parquet file of pictures, or an archive."""

    kind: Kind
    place: str
    stamp: str
    label: str | None = None
    groups: tuple[int, ...] = ()  # rows of each row group
    classes: str | None = None  # see Part


def list_sources(sources: Sequence[str]) -> Listing:
    """The parts of all sources. Raises DpnpError for one that cannot be listed or has no pictures.

    A file that is not there becomes a picture that cannot be read, as a corrupt one does.
    """
    entries = [entry for source in sources for entry in _entries(source)]
    digest = hashlib.sha256()
    for entry in entries:
        line: tuple[object, ...] = entry[:-1]
        if entry.classes is not None:
            line += (entry.classes, places.stamp(entry.classes))
        digest.update(repr(line).encode())
    return Listing(list(_cut(entries)), digest.hexdigest())


def _entries(source: str) -> Iterator[_Entry]:
    remote = places.is_remote(source)
    if places.is_remote_folder(source) if remote else Path(source).is_dir():
        yield from _in_folder(source)
    elif source.lower().endswith(LISTS):
        for line in _lines(source):
            if line.lower().endswith(LISTS):
                raise DpnpError(f"{source}: names the list {line}; a list of lists is not read")
            in_folder = not places.is_remote(line) and Path(line).is_dir()
            yield from _in_folder(line) if in_folder else _alone(line)
    else:
        yield from _alone(source)


def _in_folder(folder: str) -> Iterator[_Entry]:
    """The pictures below a folder; without any, its archives; without these, its Parquet files."""
    if places.is_remote(folder):
        found = places.below(folder)
    else:
        inside = scan(Path(folder))
        pictures = [str(file) for file in inside.all_pictures()]
        if pictures:
            for place in pictures:
                yield _Entry("files", place, places.stamp(place))
            return
        found = [places.Stored(file, places.stamp(file)) for file in _other_files(inside)]
    beside = f"{folder.rstrip('/')}/{CLASSES}"
    classes = beside if any(file.place == beside for file in found) else None
    for suffixes in (SUFFIXES["pictures"], ARCHIVES, (".parquet",)):
        chosen = [file for file in found if file.place.lower().endswith(suffixes)]
        for place, stamp in chosen:
            yield from _file(place, stamp, classes)
        if chosen:
            return
    suffixes = (*SUFFIXES["pictures"], ".tar", ".parquet")
    raise DpnpError(f"{folder}: no pictures in this folder ({', '.join(suffixes)})")


def _other_files(inside: Folder) -> list[str]:
    return [str(each.file) for each in inside.all_left_out()]


def _alone(place: str) -> Iterator[_Entry]:
    """A file that is named itself. Beside an address nothing is looked for."""
    beside = Path(place).parent / CLASSES
    there = not places.is_remote(place) and beside.is_file()
    yield from _file(place, places.stamp(place), str(beside) if there else None)


def _file(place: str, stamp: str, classes: str | None) -> Iterator[_Entry]:
    if place.lower().endswith(ARCHIVES):
        if stamp == places.MISSING:
            raise DpnpError(f"{place}: No such file or directory")
        yield _Entry("tar", place, stamp, classes=classes)
    elif place.lower().endswith(".parquet"):
        yield from _parquet(place, stamp, classes)
    else:
        yield _Entry("files", place, stamp)


def _lines(place: str) -> Iterator[str]:
    try:
        content = places.read_place(place)
    except OSError as error:
        raise DpnpError(f"{place}: {error.strerror or error}") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as Windows saves Unicode
        content = content.decode("utf-16", "replace").encode()
    lines = [line.strip() for line in content.removeprefix(codecs.BOM_UTF8).splitlines()]
    if b"\0" in content:
        raise DpnpError(f"{place}: no list of paths, it holds bytes that no path has")
    if not any(lines):
        raise DpnpError(f"{place}: no paths in this list")
    yield from (os.fsdecode(line) for line in lines if line)


def _parquet(place: str, stamp: str, classes: str | None) -> Iterator[_Entry]:
    try:
        with places.opened_parquet(place) as table:
            columns = picture_columns(place, table.schema_arrow)
            if columns.holds == "paths":
                yield from _paths_in(place, table, columns, classes)
                return
            metadata = table.metadata
            groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    except (OSError, pa.ArrowException) as error:
        raise DpnpError(f"{place}: cannot be read ({error})") from error
    yield _Entry("parquet", place, stamp, groups=groups, classes=classes)


def _paths_in(
    place: str, table: pq.ParquetFile, columns: PictureColumns, classes: str | None
) -> Iterator[_Entry]:
    read = [name for name in (columns.picture, columns.label) if name is not None]
    names = class_names(table.schema_arrow, columns.label)
    names = names if classes is None else read_names(classes)
    for batch in table.iter_batches(columns=read, use_threads=False):
        paths = batch.column(columns.picture).to_pylist()
        labels = batch.column(columns.label).to_pylist() if columns.label else [None] * len(paths)
        for path, label in zip(paths, labels, strict=True):
            if path is None:
                raise DpnpError(f"{place}: a row has no {columns.picture}")
            yield _Entry("files", path, places.stamp(path), named(label_of(label), names))


def _cut(entries: Sequence[_Entry]) -> Iterator[Part]:
    """Parts of about one size, which depends on the source alone."""
    pictures = sum(sum(entry.groups) or 1 for entry in entries if entry.kind != "tar")
    size = min(max(-(-pictures // _PARTS), _SMALLEST_PART), LARGEST_PART)
    files: list[_Entry] = []
    for entry in entries:
        if entry.kind == "files":
            files.append(entry)
            if len(files) == size:
                yield _of_files(files)
                files = []
            continue
        if files:
            yield _of_files(files)
            files = []
        if entry.kind == "tar":
            yield Part("tar", (entry.place,), classes=entry.classes)
        else:
            yield from _of_rows(entry, size)
    if files:
        yield _of_files(files)


def _of_files(files: Sequence[_Entry]) -> Part:
    return Part(
        "files",
        tuple(entry.place for entry in files),
        tuple(entry.label for entry in files),
        count=len(files),
    )


def _of_rows(entry: _Entry, size: int) -> Iterator[Part]:
    """Whole row groups, some of them together: a cut within one would read it twice."""
    first = rows = 0
    for i, group in enumerate(entry.groups, 1):
        rows += group
        if rows >= size or (rows and i == len(entry.groups)):
            yield Part("parquet", (entry.place,), (), first, rows, entry.classes)
            first, rows = first + rows, 0
