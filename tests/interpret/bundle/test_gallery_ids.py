"""The ids of a gallery, kept as runs, and rows found by them."""

import tracemalloc

import numpy as np
import pytest

from interpret.bundle.gallery_ids import IdRuns, RowsOf, compact


def test_runs_stand_for_an_array():
    ids = np.concatenate([np.arange(3, 40), np.arange(50, 200_000), np.arange(2**40, 2**40 + 9)])
    runs = compact(ids)
    assert isinstance(runs, IdRuns)
    assert len(runs) == len(ids)
    np.testing.assert_array_equal(np.asarray(runs), ids)
    assert (runs[0], runs[37], runs[-1], runs.max()) == (3, 50, 2**40 + 8, 2**40 + 8)
    assert runs[np.array([36, -1, 40])].tolist() == [39, 2**40 + 8, 53]
    assert runs[35:39].tolist() == [38, 39, 50, 51]
    assert runs[:0].tolist() == []
    assert list(runs) == runs.tolist() == ids.tolist()
    wanted = np.array([2, 3, 39, 40, 49, 50, 2**40 + 8, 2**40 + 9, -1])
    assert RowsOf(runs)(wanted).tolist() == RowsOf(ids)(wanted).tolist()
    for row in (len(ids), -len(ids) - 1):
        with pytest.raises(IndexError, match="has no row"):
            runs[row]


@pytest.mark.parametrize("ids", [[], [5, 4, 6, 7], list(range(0, 200, 2)), [1, 1, 2, 3]])
def test_what_is_no_runs_stays_an_array(ids: list[int]):
    assert isinstance(compact(np.array(ids, np.int64)), np.ndarray)


def test_rows_are_found_by_ids_in_any_order():
    assert RowsOf(np.array([3, 5, 9]))(np.array([9, 4, 3, 10])).tolist() == [2, -1, 0, -1]
    assert RowsOf(np.array([9, 3, 5]))(np.array([9, 4, 3, 10])).tolist() == [0, -1, 1, -1]
    assert RowsOf(np.empty(0, np.int64))(np.array([1])).tolist() == [-1]
    narrow = RowsOf(np.arange(5, dtype=np.int32))
    assert narrow(np.array([3, 2**32 + 3, -1])).tolist() == [3, -1, -1]


def test_finding_rows_copies_no_ids():
    rows_of, wanted = RowsOf(np.arange(1_000_000, dtype=np.int32)), np.array([7, 999_999])
    tracemalloc.start()
    assert rows_of(wanted).tolist() == [7, 999_999]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000
