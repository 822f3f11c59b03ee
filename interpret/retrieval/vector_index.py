"""The FAISS index of a large gallery: chosen by size, built in blocks, its recall measured.

An index of cells (IVF) is searched in the few cells nearest to the query. The cells hold codes,
which take less memory than the embeddings, and what a search finds is measured again by these. Up
to 128 dimensions a code is a byte for each of them, beyond it is a product quantiser's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.arrays import origin
from interpret.bundle.bundle import Bundle, IndexWriter
from interpret.bundle.gallery_ids import RowsOf
from interpret.bundle.missing_parts import named_parts
from interpret.bundle.search_index import SearchIndex
from interpret.bundle.verified_files import HashedFile, HeldFile, release

with named_parts():
    import faiss

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

# Up to so many rows, and numbers in them, an exact search takes milliseconds: a million rows of
# 10-D, 195,000 of 512-D.
EXACT_UP_TO, EXACT_NUMBERS = 1_000_000, 100_000_000
_CHANGED = 0.2  # of the rows: when more were added and removed, the cells are found anew
_BYTE_DIMENSIONS = 128
_PER_CELL = 64  # rows that each cell's centre is found from
_ROUNDS = 10  # of k-means
_CANDIDATES = (2, 8, 32, 128, 512)  # for each neighbour, of indices with codes; tried in turn
_GAIN = 0.001  # of recall, by twice the cells
BLOCK = 131_072  # rows in memory at a time
_TOUCHED = 512  # rows of mapped embeddings that are measured until their pages are let go
RECALL, NEIGHBOURS, QUERIES = 0.99, 10, 256  # wanted, and how it is measured


def index_kind(rows: int, dim: int) -> str | None:
    """The kind of index for a gallery, in FAISS's words; None: exact search."""
    exact = rows <= EXACT_UP_TO and rows * dim <= EXACT_NUMBERS
    return None if exact else cells_kind(rows, dim)


def cells_kind(rows: int, dim: int) -> str:
    """The kind of index with cells, whatever the size of the gallery."""
    if dim <= _BYTE_DIMENSIONS or dim % 4:
        return f"IVF{_cells(2.6, rows)},SQ8"
    # np: no slow search for an order of the codes
    return f"IVF{_cells(1.3, rows)},PQ{dim // (4 if dim % 8 else 8)}np"


def _cells(share: float, rows: int) -> int:
    """A power of two near `share` times the square root of the rows."""
    return int(2 ** max(2, round(math.log2(share * math.sqrt(max(rows, 1))))))


def index_writer(parent: Bundle | None = None, kind: str | None = None) -> IndexWriter:
    """What writes the index of a new bundle.

    The index of `parent`, a bundle with the same embeddings of the same ids, is taken over with
    its cells while no more than a fifth of the rows has changed since they were found. `kind`
    is that of an index to build whatever the size; None chooses.
    """

    def write(embeddings: Floats, ids: Ids, file: HashedFile) -> SearchIndex | None:
        own = None if parent is None else parent.manifest.search
        kept = None if parent is None or kind is not None else _kept(parent, embeddings, ids)
        if kept is not None and own is not None:
            index, rows, changed = kept
            chosen, found = own.kind, own if changed == own.changed else None
        else:
            automatic = index_kind(*embeddings.shape)
            if not len(ids) or (kind or automatic) is None:
                return None
            chosen, found = str(kind or automatic), None
            index, rows, changed = build(embeddings, ids, chosen), len(ids), 0
        if found is None:
            found = measured(index, embeddings, ids, kind=chosen, rows=rows, changed=changed)
        writer: Any = faiss  # its stubs lack the classes made in Python
        writer.write_index(index, writer.PyCallbackIOWriter(file.write, 2**20))
        return found

    return write


def open_index(held: HeldFile, *, mapped: bool = True) -> Any:
    """The index in a verified file; mapped, so that only the cells looked into take memory."""
    # The table of products that quantised kinds may keep would be each process's own.
    flags = faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
    index: Any = faiss.read_index(held.place, flags | faiss.IO_FLAG_MMAP if mapped else flags)
    if mapped and isinstance(index, faiss.IndexIVF):
        held_cells: Any = index.invlists
        cells: Any = faiss.downcast_InvertedLists(held_cells)
        # Threads that FAISS starts for each search, to read its cells ahead from a disk: they take
        # three times as long as the search of cells that are in memory.
        cells.prefetch_nthread = 0
    return index


def build(embeddings: Floats, ids: Ids, kind: str) -> Any:
    """An index of the embeddings (G, d), which are read block by block."""
    index: Any = faiss.index_factory(embeddings.shape[1], kind)
    for settings in (index.cp, index.pq.cp) if hasattr(index, "pq") else (index.cp,):
        settings.niter, settings.max_points_per_centroid = _ROUNDS, _PER_CELL
        settings.min_points_per_centroid = 1  # no warnings on stderr
    random = np.random.default_rng(0)
    count = min(len(embeddings), _PER_CELL * index.nlist)
    sample = np.sort(random.choice(len(embeddings), count, replace=False))
    index.train(_block(embeddings[sample]))
    for start in range(0, len(embeddings), BLOCK):
        part = slice(start, start + BLOCK)
        index.add_with_ids(_block(embeddings[part]), ids[part])
    return index


class CellSearch:
    """Searches an index in the `probes` cells nearest to a query.

    `candidates` as in `SearchIndex`. `rows_of` finds the rows of `embeddings` by ids.
    """

    def __init__(
        self,
        index: Any,
        embeddings: Floats,
        rows_of: RowsOf,
        *,
        probes: int,
        candidates: int,
    ) -> None:
        self._index, self._embeddings, self._rows_of = index, embeddings, rows_of
        self._probes, self._candidates = min(probes, index.nlist), candidates
        self._touched = 0

    def __call__(self, queries: Floats, k: int) -> tuple[Ids, Floats]:
        """Rows (Q, k) and distances (Q, k), nearest first; k is at most the gallery's size."""
        wanted = min(k * self._candidates, self._index.ntotal)
        squares, ids = self._found(queries, wanted, self._probes)
        few = (ids < 0).any(1)
        if few.any():  # the cells looked into hold fewer
            squares[few], ids[few] = self._found(queries[few], wanted, self._index.nlist)
        rows = self._rows_of(ids.ravel()).reshape(ids.shape)
        if self._candidates == 1:
            return rows, np.sqrt(np.maximum(squares, 0))
        away = np.stack(
            [
                np.linalg.norm(self._embeddings[own] - query, axis=1)
                for own, query in zip(rows, queries, strict=True)
            ]
        )
        # The system maps 16 pages for each row that is read: soon all of the file.
        self._touched += rows.size
        if self._touched >= _TOUCHED:
            self._touched = 0
            release(origin(self._embeddings))
        order = np.argsort(away, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(rows, order, 1), np.take_along_axis(away, order, 1)

    def _found(self, queries: Floats, k: int, probes: int) -> tuple[Floats, Ids]:
        settings = faiss.SearchParametersIVF()
        settings.nprobe = probes
        squares, ids = self._index.search(queries, k, params=settings)
        return squares, ids


def measured(
    index: Any, embeddings: Floats, ids: Ids, *, kind: str, rows: int, changed: int
) -> SearchIndex:
    """How the index is to be searched, and its recall then.

    Gallery rows are the queries, and each row's neighbours are the others. Twice as many cells are
    looked into as these need: the pictures that are asked about later are no gallery rows.
    """
    k = min(NEIGHBOURS, len(ids) - 1)
    asked = np.random.default_rng(1).choice(len(ids), min(QUERIES, len(ids)), replace=False)
    queries, rows_of = _block(embeddings[np.sort(asked)]), RowsOf(ids)
    truth = exact_distances(queries, embeddings, k + 1)

    def recall(probes: int, candidates: int) -> float:
        search = CellSearch(index, embeddings, rows_of, probes=probes, candidates=candidates)
        away = search(queries, k + 1)[1]
        # By distance, for rows of the same embedding are as good as each other; without itself.
        good = (away <= truth[:, -1:] * (1 + 1e-5) + 1e-6).sum(1) - 1
        return float(np.clip(good / max(k, 1), 0, 1).mean())

    tried = []
    choices = (1,) if kind.endswith("Flat") else _CANDIDATES
    for candidates in choices:
        before = -1.0
        for probes in (2**i for i in range(index.nlist.bit_length())):
            tried.append((recall(probes, candidates), probes, candidates))
            # Where more cells gain nothing, the codes are too coarse: more candidates are due.
            coarse = candidates < choices[-1] and tried[-1][0] < before + _GAIN
            if tried[-1][0] >= RECALL or coarse:
                break
            before = tried[-1][0]
        if tried[-1][0] >= RECALL:
            break
    enough = min(RECALL, max(each[0] for each in tried))
    _, probes, candidates = next(each for each in tried if each[0] >= enough)
    too_few = probes // 2
    while probes - too_few > max(1, probes // 8):
        middle = (too_few + probes) // 2
        if recall(middle, candidates) >= enough:
            probes = middle
        else:
            too_few = middle
    probes = min(2 * probes, index.nlist)
    return SearchIndex(
        kind=kind,
        probes=probes,
        candidates=candidates,
        recall=recall(probes, candidates),
        neighbours=max(k, 1),
        queries=len(queries),
        rows=rows,
        changed=changed,
    )


def exact_distances(queries: Floats, embeddings: Floats, k: int) -> Floats:
    """The distances (Q, k) from each query to its nearest embeddings, read block by block."""
    best = np.full((len(queries), k), np.inf, np.float32)
    for start in range(0, len(embeddings), BLOCK):
        part = _block(embeddings[start : start + BLOCK])
        _, rows = faiss.knn(queries, part, min(k, len(part)))
        # FAISS expands ‖a−b‖² into products, which loses digits near 0.
        away = np.stack(
            [np.linalg.norm(part[own] - q, axis=1) for own, q in zip(rows, queries, strict=True)]
        )
        best = np.sort(np.concatenate([best, away], 1), axis=1)[:, :k]
    return best


def _kept(parent: Bundle, embeddings: Floats, ids: Ids) -> tuple[Any, int, int] | None:
    """The parent's index with other rows: the rows that its cells were found from, and how many
    have changed since. None when there is none, or too much has changed.
    """
    own, old = parent.manifest.search, np.asarray(parent.gallery.ids)
    if own is None or parent.index is None or parent.embeddings.shape[1] != embeddings.shape[1]:
        return None
    gone = old[RowsOf(ids)(old) < 0].astype(np.int64)
    added = np.flatnonzero(parent.gallery.rows_of(ids) < 0)
    changed = own.changed + len(gone) + len(added)
    if changed > _CHANGED * own.rows:
        return None
    index = open_index(parent.index, mapped=False)
    if len(gone):
        index.remove_ids(faiss.IDSelectorBatch(gone))
    for start in range(0, len(added), BLOCK):
        part = added[start : start + BLOCK]
        index.add_with_ids(_block(embeddings[part]), ids[part])
    return index, own.rows, changed


def _block(embeddings: Floats) -> Floats:
    return np.ascontiguousarray(embeddings, np.float32)
