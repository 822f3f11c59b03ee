"""Indices of large galleries, built small: against exact search, on disk, and after changes."""

import mmap
from pathlib import Path

import faiss
import numpy as np
import pytest

from interpret.bundle.arrays import array_bytes, origin, read_array
from interpret.bundle.errors import BundleError
from interpret.bundle.gallery_ids import RowsOf
from interpret.bundle.verified_files import HashedFile, HeldFile
from interpret.retrieval import vector_index
from interpret.retrieval.vector_index import (
    CellSearch,
    build,
    cells_kind,
    exact_distances,
    index_kind,
    index_writer,
    measured,
    open_index,
)

ROWS, FIRST_ID = 3000, 7


def clusters(dim: int, rows: int = ROWS) -> np.ndarray:
    """Points around ten prototypes at norm 40."""
    random = np.random.default_rng(dim)
    centres = random.standard_normal((10, dim))
    centres *= 40 / np.linalg.norm(centres, axis=1, keepdims=True)
    around = 2 * random.standard_normal((rows, dim))
    return (centres[random.integers(0, 10, rows)] + around).astype(np.float32)


def brute_force(queries: np.ndarray, stored: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    away = np.linalg.norm(queries[:, None].astype(float) - stored, axis=2)
    rows = away.argsort(1, kind="stable")[:, :k]
    return rows, np.take_along_axis(away, rows, 1)


@pytest.mark.parametrize(
    ("rows", "dim", "kind"),
    [
        (1_000_000, 10, None),
        (200_000, 500, None),
        (200_001, 500, "IVF512,PQ125np"),
        (1_000_001, 10, "IVF2048,SQ8"),
        (10_000_000, 10, "IVF8192,SQ8"),
        (100_000_000, 10, "IVF32768,SQ8"),
        (10_000_000, 64, "IVF8192,SQ8"),
        (10_000_000, 512, "IVF4096,PQ64np"),
        (10_000_000, 516, "IVF4096,PQ129np"),
        (10_000_000, 1001, "IVF8192,SQ8"),  # no parts of equal size
    ],
)
def test_the_kind_follows_from_the_size(rows: int, dim: int, kind: str | None):
    assert index_kind(rows, dim) == kind


@pytest.mark.parametrize("dim", [8, 136])  # bytes, products of parts
def test_full_probes_give_the_exact_answers(dim: int):
    stored, ids = clusters(dim), np.arange(ROWS) + FIRST_ID
    index = build(stored, ids, cells_kind(ROWS, dim))
    search = CellSearch(index, stored, RowsOf(ids), probes=10**6, candidates=100)
    queries = clusters(dim, 20) + 1
    rows, away = search(queries, 10)
    expected, distances = brute_force(queries, stored, 10)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(away, distances, rtol=1e-5)


def test_recall_is_that_of_brute_force():
    stored, ids = clusters(8), np.arange(ROWS)
    index = build(stored, ids, "IVF64,Flat")
    found = measured(index, stored, ids, kind="IVF64,Flat", rows=ROWS, changed=0)
    assert (found.neighbours, found.queries, found.rows, found.changed) == (10, 256, ROWS, 0)
    assert found.recall >= 0.99
    assert 2 <= found.probes <= 64
    # The same queries, each row's neighbours without itself.
    asked = np.sort(np.random.default_rng(1).choice(ROWS, 256, replace=False))
    search = CellSearch(index, stored, RowsOf(ids), probes=found.probes, candidates=1)
    rows, _ = search(stored[asked], 11)
    truth, _ = brute_force(stored[asked], stored, 11)
    hits = [len(np.intersect1d(a, b)) - 1 for a, b in zip(rows, truth, strict=True)]
    assert found.recall == pytest.approx(np.mean(hits) / 10)


def test_twice_the_fewest_probes_that_are_enough():
    stored, ids = clusters(8), np.arange(ROWS)
    index = build(stored, ids, "IVF64,Flat")
    found = measured(index, stored, ids, kind="IVF64,Flat", rows=ROWS, changed=0)
    asked = np.sort(np.random.default_rng(1).choice(ROWS, 256, replace=False))
    truth, _ = brute_force(stored[asked], stored, 11)

    def recall(probes: int) -> float:
        search = CellSearch(index, stored, RowsOf(ids), probes=probes, candidates=1)
        rows, _ = search(stored[asked], 11)
        hits = [len(np.intersect1d(a, b)) - 1 for a, b in zip(rows, truth, strict=True)]
        return float(np.mean(hits)) / 10

    assert found.probes % 2 == 0
    assert recall(found.probes // 2) >= 0.99 > recall(found.probes // 2 - 1)


def test_more_candidates_where_codes_are_coarse():
    # In so many dimensions all neighbours are nearly equally far: codes cannot tell them apart.
    stored, ids = clusters(256), np.arange(ROWS)
    index = build(stored, ids, "IVF16,PQ16np")
    found = measured(index, stored, ids, kind="IVF16,PQ16np", rows=ROWS, changed=0)
    assert found.candidates > 8
    assert found.recall >= 0.99
    queries = clusters(256, 50) + 0.1
    search = CellSearch(
        index, stored, RowsOf(ids), probes=found.probes, candidates=found.candidates
    )
    _, truth = brute_force(queries, stored, 10)
    assert (search(queries, 10)[1] <= truth[:, -1:] * 1.00001).mean() > 0.98


def test_mapped_embeddings_take_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stored, ids = clusters(8), np.arange(ROWS)
    file = tmp_path / "embeddings.npy"
    file.write_bytes(array_bytes(stored))
    with file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    mapped = read_array(file, content, "float32")
    assert origin(mapped) is content
    assert origin(stored) is stored
    released = list[object]()
    monkeypatch.setattr(vector_index, "release", released.append)
    index = build(stored, ids, "IVF64,SQ8")
    search = CellSearch(index, mapped, RowsOf(ids), probes=64, candidates=2)
    rows, _ = search(stored[:25], 10)  # 500 rows are measured
    assert released == []
    rows, _ = search(stored[:1], 10)
    assert released == [content]
    assert rows[0, 0] == 0


def test_rows_of_one_embedding_do_not_lower_the_recall():
    stored = np.repeat(clusters(8, 30), 100, 0)
    index = build(stored, np.arange(ROWS), "IVF4,Flat")
    found = measured(index, stored, np.arange(ROWS), kind="IVF4,Flat", rows=ROWS, changed=0)
    assert found.recall == 1


def test_cells_that_hold_too_few_are_no_end():
    stored, ids = clusters(8), np.arange(ROWS)
    index = build(stored, ids, "IVF64,Flat")
    search = CellSearch(index, stored, RowsOf(ids), probes=1, candidates=1)
    rows, _ = search(stored[:3], ROWS)
    assert [sorted(own) for own in rows.tolist()] == [list(range(ROWS))] * 3


def test_exact_distances_across_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("interpret.retrieval.vector_index.BLOCK", 7)
    stored = clusters(8, 50)
    _, expected = brute_force(stored[:5], stored, 9)
    np.testing.assert_allclose(exact_distances(stored[:5], stored, 9), expected, atol=1e-5)


def test_written_and_mapped(tmp_path: Path):
    stored, ids = clusters(8), np.arange(ROWS)
    with HashedFile(tmp_path / "index.faiss") as file:
        found = index_writer(kind="IVF64,Flat")(stored, ids, file)
    assert found is not None
    held = HeldFile(tmp_path, "index.faiss", file.entry)
    # Another file takes the name: what was verified is what is read.
    (tmp_path / "other").write_bytes(b"no index")
    (tmp_path / "other").rename(tmp_path / "index.faiss")
    index = open_index(held)
    assert index.ntotal == ROWS
    assert isinstance(faiss.downcast_InvertedLists(index.invlists), faiss.OnDiskInvertedLists)
    search = CellSearch(index, stored, RowsOf(ids), probes=64, candidates=1)
    np.testing.assert_array_equal(search(stored[:9], 1)[0][:, 0], np.arange(9))
    with pytest.raises(BundleError, match=r"index\.faiss: changed"):
        HeldFile(tmp_path, "index.faiss", file.entry)


def test_small_galleries_have_none(tmp_path: Path):
    with HashedFile(tmp_path / "index.faiss") as file:
        assert index_writer()(clusters(8), np.arange(ROWS), file) is None
    assert file.entry.size == 0
