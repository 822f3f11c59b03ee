"""Retrieval: the training images nearest to a point of the embedding space, by exact FAISS search.

Exact search costs less than the network up to some 100,000 images (see tests/benchmarks).
"""

from __future__ import annotations

from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle


class Neighbours(NamedTuple):
    """Rows of the gallery, nearest first, for Q queries; k is at most the gallery's size."""

    rows: NDArray[np.int64]  # (Q, k)
    distances: NDArray[np.float32]  # (Q, k): Euclidean, or 1 − cosine in [0, 2]


class Gallery:
    """The bundle's training embeddings in an exact index, Euclidean or cosine as it demands."""

    def __init__(self, bundle: Bundle) -> None:
        self._cosine = bundle.manifest.metric == "cosine"
        self._embeddings = self._prepare(bundle.embeddings)
        size = bundle.manifest.embedding_dim
        self._index = faiss.IndexFlatIP(size) if self._cosine else faiss.IndexFlatL2(size)
        self._index.add(self._embeddings)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbours:
        """The k nearest gallery rows to each query (Q, d); all there are when k is larger."""
        if k < 0:
            raise ValueError(f"k is {k}")
        k = min(k, len(self))
        queries = self._prepare(queries)
        if k == 0:
            empty = (len(queries), 0)
            return Neighbours(np.empty(empty, np.int64), np.empty(empty, np.float32))
        _, rows = self._index.search(queries, k)
        # FAISS expands ‖a−b‖² into products, which loses digits near 0: measure the few again.
        found = self._embeddings[rows]
        if self._cosine:
            distances = np.clip(1 - np.einsum("qd,qkd->qk", queries, found), 0, 2)
        else:
            distances = np.linalg.norm(queries[:, None] - found, axis=2)
        order = np.argsort(distances, axis=1, kind="stable")
        return Neighbours(
            np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
        )

    def _prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if self._cosine:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return vectors
