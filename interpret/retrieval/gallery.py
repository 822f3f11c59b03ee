"""Retrieval: the training images nearest to a point of the embedding space, by exact FAISS search.

Exact search costs less than the network up to some 100,000 images (see tests/benchmarks).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.missing_parts import named_parts

with named_parts():
    import faiss


class Neighbours(NamedTuple):
    """Rows of the gallery, nearest first, for Q queries; k is at most the gallery's size."""

    rows: NDArray[np.int64]  # (Q, k)
    distances: NDArray[np.float32]  # (Q, k), Euclidean


class Gallery:
    """The bundle's training embeddings in an exact index of Euclidean distances."""

    def __init__(self, bundle: Bundle) -> None:
        self._embeddings = np.ascontiguousarray(bundle.embeddings, dtype=np.float32)
        self._index = faiss.IndexFlatL2(bundle.manifest.embedding_dim)
        self._index.add(self._embeddings)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbours:
        """The k nearest gallery rows to each query (Q, d); the whole gallery when k is larger."""
        if k < 0:
            raise ValueError(f"k is {k}")
        k = min(k, len(self))
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if k == 0:
            empty = (len(queries), 0)
            return Neighbours(np.empty(empty, np.int64), np.empty(empty, np.float32))
        _, rows = self._index.search(queries, k)
        # FAISS expands ‖a−b‖² into products, which loses digits near 0: the distances that were
        # found are measured again.
        distances = np.linalg.norm(queries[:, None] - self._embeddings[rows], axis=2)
        order = np.argsort(distances, axis=1, kind="stable")
        return Neighbours(
            np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
        )
