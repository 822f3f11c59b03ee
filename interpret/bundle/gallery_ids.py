"""The ids of a gallery's rows: kept in little memory, and found again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.gallery_columns import ROW_GROUP, Integers

_SHARE = 8  # rows for a run, at least: fewer take more memory as runs


class IdRuns:
    """Ascending ids (G,), kept as runs of consecutive ones. It stands for an array of them."""

    def __init__(self, starts: NDArray[np.int64], firsts: NDArray[np.int64], count: int) -> None:
        """Each run's first row and first id, and how many rows there are."""
        self._starts, self._firsts, self._count = starts, firsts, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, rows: int) -> int: ...
    @overload
    def __getitem__(self, rows: slice | Integers) -> NDArray[np.int64]: ...
    def __getitem__(self, rows: int | slice | Integers) -> int | NDArray[np.int64]:
        """The id of a row, or those of several. Raises IndexError for a row that is not there."""
        if isinstance(rows, int | np.integer):
            return self._of_row(int(rows))
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self._count))
        wanted = np.asarray(rows, np.int64)
        wanted = np.where(wanted < 0, wanted + self._count, wanted)
        if ((wanted < 0) | (wanted >= self._count)).any():
            raise IndexError(f"a gallery of {self._count} rows has no row {rows}")
        run = np.searchsorted(self._starts, wanted, "right") - 1
        found: NDArray[np.int64] = self._firsts[run] + (wanted - self._starts[run])
        return found

    def _of_row(self, row: int) -> int:
        """The id of one row: without NumPy's functions, which are made for many."""
        place = row + self._count if row < 0 else row
        if not 0 <= place < self._count:
            raise IndexError(f"a gallery of {self._count} rows has no row {row}")
        run = bisect_right(self._starts, place) - 1
        return int(self._firsts[run] + (place - self._starts[run]))

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All ids, as NumPy's functions ask for them."""
        return self[:].astype(dtype or np.int64, copy=False)

    def tolist(self) -> list[int]:
        """All ids."""
        return list(self[:].tolist())

    def max(self, initial: int = -1) -> int:
        """The largest id; `initial` for none."""
        return self[self._count - 1] if self._count else initial

    def rows_of(self, wanted: Integers) -> NDArray[np.int64]:
        """The rows (n,) of ids (n,); −1 for an id that is not there."""
        if not self._count:
            return np.full(len(wanted), -1)
        ids = wanted.astype(np.int64)
        run = np.maximum(np.searchsorted(self._firsts, ids, "right") - 1, 0)
        rows = self._starts[run] + (ids - self._firsts[run])
        ends = np.append(self._starts[1:], self._count)
        return np.where((ids >= self._firsts[run]) & (rows < ends[run]), rows, -1)


Ids = Integers | IdRuns


class RowsOf:
    """Finds the rows (n,) of ids (n,); −1 for an id that the gallery does not have."""

    def __init__(self, ids: Ids) -> None:
        self._runs = ids if isinstance(ids, IdRuns) else None
        self._ids: Integers = np.empty(0, np.int64) if isinstance(ids, IdRuns) else ids
        self._order = None
        if not ascending(self._ids):  # all galleries are written in the order of their ids
            self._order = np.argsort(self._ids)
            self._ids = self._ids[self._order]

    def __call__(self, wanted: Integers) -> NDArray[np.int64]:
        """See the class."""
        if self._runs is not None:
            return self._runs.rows_of(wanted)
        if not len(self._ids):
            return np.full(len(wanted), -1)
        # Of the ids' own type: NumPy would otherwise make a copy of all ids in the wider one.
        narrow = wanted.astype(self._ids.dtype)
        places = np.minimum(np.searchsorted(self._ids, narrow), len(self._ids) - 1)
        rows = places if self._order is None else self._order[places]
        return np.where(self._ids[places] == wanted, rows, -1)


def compact(ids: Integers) -> Ids:
    """The same ids as runs, where that takes less memory."""
    if not len(ids) or not ascending(ids):
        return ids
    before, after = ids[:-1], ids[1:]
    breaks = [
        rows.start + np.flatnonzero(after[rows] != before[rows] + 1) + 1
        for rows in blocks(len(after))
    ]
    starts = np.concatenate([[0], *breaks]).astype(np.int64)
    if len(starts) > max(1, len(ids) // _SHARE):
        return ids
    return IdRuns(starts, ids[starts].astype(np.int64), len(ids))


def ascending(ids: Integers) -> bool:
    """Whether each id is larger than the one before."""
    before, after = ids[:-1], ids[1:]
    return all((after[rows] > before[rows]).all() for rows in blocks(len(after)))


def blocks(count: int) -> Iterator[slice]:
    """All rows, few at a time: what is computed of them takes little memory."""
    for start in range(0, count, ROW_GROUP):
        yield slice(start, start + ROW_GROUP)
