"""Columns of a gallery's table that stay on disk: a value becomes an object when it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interpret.bundle.errors import BundleError
from interpret.bundle.manifest import FileEntry
from interpret.bundle.verified_files import Content, check_hash, opened, release

ROW_GROUP = 65_536  # rows of gallery.parquet that are read together
Value = TypeVar("Value")
Integers = NDArray[np.integer[Any]]


class Column(Sequence[Value]):
    """What all columns share."""

    def at(self, rows: Integers) -> list[Value]:
        """The values of some rows (n,)."""
        raise NotImplementedError

    @overload
    def __getitem__(self, row: int) -> Value: ...
    @overload
    def __getitem__(self, row: slice) -> list[Value]: ...
    def __getitem__(self, row: int | slice) -> Value | list[Value]:
        """The value of a row, or those of a slice of rows."""
        every = range(len(self))
        if isinstance(row, slice):
            return self.at(np.asarray(every[row], np.int64))
        return self.at(np.array([every[row]]))[0]

    def __iter__(self) -> Iterator[Value]:
        for start in range(0, len(self), ROW_GROUP):
            yield from self.at(np.arange(start, min(start + ROW_GROUP, len(self))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class TextColumn(Column[str | None]):
    """A column of gallery.parquet, read a row group at a time."""

    def __init__(self, file: Path, table: pq.ParquetFile, name: str) -> None:
        """`file` is named in errors. Raises KeyError for a column that is not there."""
        table.schema_arrow.field(name)
        self._file, self._table, self._name = file, table, name
        metadata = table.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._ends = np.cumsum([0, *sizes])
        self._latest: tuple[int, pa.ChunkedArray] | None = None

    def __len__(self) -> int:
        return int(self._ends[-1])

    def at(self, rows: Integers) -> list[str | None]:
        """See Column."""
        groups = np.searchsorted(self._ends, rows, "right") - 1
        cuts = np.flatnonzero(np.diff(groups)) + 1
        values: list[str | None] = []
        for part in np.split(rows, cuts):
            if len(part):
                group = int(np.searchsorted(self._ends, part[0], "right")) - 1
                values += self._group(group).take(pa.array(part - self._ends[group])).to_pylist()
        return values

    def _group(self, group: int) -> pa.ChunkedArray:
        latest = self._latest
        if latest is None or latest[0] != group:
            try:
                read = self._table.read_row_group(group, [self._name], use_threads=False)
            except (pa.ArrowException, OSError) as error:
                raise BundleError(f"{self._file}: not a gallery ({error})") from error
            self._latest = latest = group, read.column(self._name)
        return latest[1]


class ThumbnailFile:
    """A file of thumbnails. One of several is only checked when its first picture is wanted."""

    def __init__(self, folder: Path, name: str, entry: FileEntry) -> None:
        self._path, self._entry = folder / name, entry
        self._content, self._checked = opened(folder, name, entry), False

    def __len__(self) -> int:
        return self._entry.size

    @property
    def content(self) -> Content:
        """The verified bytes. Raises BundleError."""
        if not self._checked:
            check_hash(self._path, self._content, self._entry)
            self._checked = True
        return self._content

    def release(self) -> None:
        """Let go of the memory that its pictures took."""
        release(self._content)


class Thumbnails(Column[bytes]):
    """The thumbnails of a gallery (G,): ranges of files, each row's by its number."""

    def __init__(
        self,
        files: Sequence[ThumbnailFile],
        numbers: Integers,
        starts: Integers,
        ends: Integers,
    ) -> None:
        self._files = files
        self._numbers, self._starts, self._ends = numbers, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    def size(self, row: int) -> int:
        """Bytes of a row's thumbnail."""
        return int(self._ends[row] - self._starts[row])

    def at(self, rows: Integers) -> list[bytes]:
        """See Column."""
        places = zip(
            *(column[rows].tolist() for column in (self._numbers, self._starts, self._ends)),
            strict=True,
        )
        # A row without a picture needs no file.
        return [self._files[n].content[a:b] if a < b else b"" for n, a, b in places]


class Repeated(Column[Value]):
    """One value in all rows: a column that the gallery does not have."""

    def __init__(self, value: Value, rows: int) -> None:
        self._value, self._rows = value, rows

    def __len__(self) -> int:
        return self._rows

    def at(self, rows: Integers) -> list[Value]:
        """See Column."""
        return [self._value] * len(rows)
