"""The pictures of a part, one by one, not decoded yet."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from interpret.batch.class_names import named, read_names
from interpret.batch.parquet_columns import class_names, label_of, picture_columns
from interpret.batch.places import absolute, opened, opened_parquet, read_place
from interpret.batch.sources import Part
from interpret.batch.webdataset import samples_in
from interpret.bundle.errors import BrokenImageError, ImageError

_ROWS = 256  # of a Parquet file, read together


class GivenPicture(NamedTuple):
    """A picture of a source. `read` gives its bytes or raises ImageError."""

    name: str
    read: Callable[[], bytes]
    label: str | None = None  # its own, where the source tells


def pictures_of(part: Part, folder: str = "") -> Iterator[GivenPicture]:
    """The pictures of a part; `folder` is where relative paths start, if not here.

    What cannot be read becomes a picture whose `read` raises ImageError.
    """
    if part.kind == "files":
        for place, label in zip(part.places, part.labels, strict=True):
            own = PurePosixPath(place).parent.name if label is None else label
            yield GivenPicture(place, partial(_file, place, folder), own)
        return
    read = _archive if part.kind == "tar" else _rows
    taken = 0
    try:
        for picture in read(part, folder):
            yield picture
            taken += 1
    except (OSError, EOFError, tarfile.TarError, pa.ArrowException) as error:
        text = " ".join(str(error).split())
        problem = BrokenImageError(f"cannot be read after {taken:,} pictures: {text}")
        yield GivenPicture(part.places[0], partial(_raise, problem))


def _file(place: str, folder: str) -> bytes:
    try:
        return read_place(absolute(place, folder))
    except OSError as error:
        raise ImageError(error.strerror or " ".join(str(error).split())) from error


def _raise(error: ImageError) -> bytes:
    raise error


def _archive(part: Part, folder: str) -> Iterator[GivenPicture]:
    """The pictures of a WebDataset shard. A label that cannot be read is none."""
    [place] = part.places
    names = None if part.classes is None else read_names(absolute(part.classes, folder))
    with (
        opened(absolute(place, folder)) as file,
        tarfile.open(fileobj=file, mode="r|*") as archive,
    ):
        for sample in samples_in(archive, read=True):
            try:
                label = named(sample.label(), names)
            except ValueError:
                label = None
            for picture in sample.pictures:
                content = picture.content or b""
                yield GivenPicture(f"{place}/{picture.name}", partial(bytes, content), label)


def _rows(part: Part, folder: str) -> Iterator[GivenPicture]:
    [place] = part.places
    with opened_parquet(absolute(place, folder)) as table:
        columns = picture_columns(place, table.schema_arrow)
        read = [n for n in (columns.picture, columns.name, columns.label) if n is not None]
        names = class_names(table.schema_arrow, columns.label)
        if part.classes is not None:
            names = read_names(absolute(part.classes, folder))
        row = part.first
        for batch in table.iter_batches(
            _ROWS, row_groups=_groups(table, part), columns=read, use_threads=False
        ):
            pictures = batch.column(columns.picture).to_pylist()
            given = _column(batch, columns.name)
            labels = _column(batch, columns.label)
            for picture, name, label in zip(pictures, given, labels, strict=True):
                content = picture
                if columns.struct:
                    content, name = _unpacked(picture, name)
                shown = row_address(place, row) if name is None else str(name)
                own = named(label_of(label), names)
                yield GivenPicture(shown, partial(bytes, content or b""), own)
                row += 1


def row_address(place: str, row: int) -> str:
    """What stands for a row of a Parquet file."""
    return f"{place}#{row}"


def _column(batch: pa.RecordBatch, name: str | None) -> list[Any]:
    return [None] * len(batch) if name is None else batch.column(name).to_pylist()


def _unpacked(picture: dict[str, Any] | None, name: Any) -> tuple[bytes | None, Any]:
    """Bytes and name of a picture as the `datasets` library stores it."""
    if picture is None:
        return None, name
    return picture["bytes"], picture.get("path") if name is None else name


def _groups(table: pq.ParquetFile, part: Part) -> list[int]:
    """The row groups of a part: it begins and ends with them. Raises OSError where it does not."""
    groups, row, taken = [], 0, 0
    for i in range(table.metadata.num_row_groups):
        rows = table.metadata.row_group(i).num_rows
        if part.first <= row < part.first + (part.count or 0):
            groups.append(i)
            taken += rows
        row += rows
    if taken != part.count:
        raise OSError("its row groups have changed since it was listed")
    return groups
