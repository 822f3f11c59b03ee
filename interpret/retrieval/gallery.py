"""Retrieval: the training images nearest to a point of the embedding space.

The search is exact up to a million images, fewer in more than 100 dimensions: there it costs less
than the network. A larger gallery has an index: see `vector_index`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import INDEX, Bundle
from interpret.bundle.errors import BundleError
from interpret.bundle.missing_parts import named_parts
from interpret.retrieval.vector_index import CellSearch, open_index

with named_parts():
    import faiss


class Neighbours(NamedTuple):
    """Rows of the gallery, nearest first, for Q queries; k is at most the gallery's size."""

    rows: NDArray[np.int64]  # (Q, k)
    distances: NDArray[np.float32]  # (Q, k), Euclidean


class Gallery:
    """The bundle's training embeddings, searched by Euclidean distance."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError for an index that does not belong to the gallery."""
        self._embeddings, self._labels = bundle.embeddings, bundle.gallery.labels
        self._cells: CellSearch | None = None
        own = bundle.manifest.search
        if own is None or bundle.index is None:
            return
        try:
            index = open_index(bundle.index)
        except RuntimeError as error:
            raise BundleError(f"{bundle.path / INDEX}: {error}") from error
        if not isinstance(index, faiss.IndexIVF) or (index.ntotal, index.d) != (
            self._embeddings.shape
        ):
            raise BundleError(f"{bundle.path / INDEX}: is not the index of this gallery")
        self._cells = CellSearch(
            index,
            self._embeddings,
            bundle.gallery.rows_of,
            probes=own.probes,
            candidates=own.candidates,
        )

    def __len__(self) -> int:
        return len(self._embeddings)

    def search(self, queries: NDArray[np.float32], k: int, label: int | None = None) -> Neighbours:
        """The k nearest gallery rows to each query (Q, d); the whole gallery when k is larger.

        With `label`, only rows of this class, by its index: an exact search, whatever the size.
        """
        if k < 0:
            raise ValueError(f"k is {k}")
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if label is not None:
            own = np.flatnonzero(self._labels == label)
            found = _exact(queries, self._embeddings[own], k)
            return Neighbours(own[found.rows], found.distances)
        k = min(k, len(self))
        if self._cells is not None and k and len(queries):
            return Neighbours(*self._cells(queries, k))
        return _exact(queries, self._embeddings, k)


def _exact(queries: NDArray[np.float32], embeddings: NDArray[np.float32], k: int) -> Neighbours:
    k = min(k, len(embeddings))
    if k == 0 or not len(queries):
        empty = (len(queries), k)
        return Neighbours(np.empty(empty, np.int64), np.empty(empty, np.float32))
    _, rows = faiss.knn(queries, np.ascontiguousarray(embeddings, np.float32), k)
    # FAISS expands ‖a−b‖² into products, which loses digits near 0: the distances that were found
    # are measured again.
    distances = np.linalg.norm(queries[:, None] - embeddings[rows], axis=2)
    order = np.argsort(distances, axis=1, kind="stable")
    return Neighbours(np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1))
