"""The gallery's table: which training images are kept, as columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.gallery_columns import ROW_GROUP, Column, Integers, Thumbnails
from interpret.bundle.gallery_ids import Ids, RowsOf

SAMPLE = 100_000  # rows that figures of a large gallery are taken from
Value = TypeVar("Value")


@dataclass(frozen=True)
class GalleryTable:
    """The training images kept for retrieval, one entry a row; rows match `embeddings`.

    A bundle's table leaves its texts and thumbnails on disk until they are asked for.
    """

    ids: Ids  # (G,), unique and stable: they survive additions and deletions
    labels: Integers  # (G,), indices into the class names
    splits: Sequence[str]
    sources: Sequence[str]  # where the picture came from, relative to its data set
    thumbnails: Sequence[bytes] = field(repr=False)  # encoded WebP, JPEG or PNG
    # `pixel_hash` of the network's input; None in galleries of before it was recorded.
    pixel_hashes: Sequence[str | None] = field(repr=False)

    def rows(self, kept: Integers) -> GalleryTable:
        """The table of some of the rows, in the order of `kept`, in memory."""
        return GalleryTable(
            self.ids[kept],
            self.labels[kept],
            _taken(self.splits, kept),
            _taken(self.sources, kept),
            _taken(self.thumbnails, kept),
            _taken(self.pixel_hashes, kept),
        )

    def has_picture(self, row: int) -> bool:
        """Whether a row has a thumbnail; it is not read."""
        own = self.thumbnails
        return own.size(row) > 0 if isinstance(own, Thumbnails) else bool(own[row])

    @cached_property
    def rows_of(self) -> RowsOf:
        """Finds rows by their ids."""
        return RowsOf(self.ids)


class GalleryPart(NamedTuple):
    """Some rows of a gallery with their embeddings (n, d): few enough to be in memory."""

    table: GalleryTable
    embeddings: NDArray[np.float32]


def parts_of(
    table: GalleryTable, embeddings: NDArray[np.float32], kept: Integers | None = None
) -> Iterator[GalleryPart]:
    """A gallery, or its rows `kept`, part by part."""
    rows = np.arange(len(table.ids)) if kept is None else kept
    for start in range(0, len(rows), ROW_GROUP):
        part = rows[start : start + ROW_GROUP]
        yield GalleryPart(table.rows(part), embeddings[part])


def sampled(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings (G, d) that stand for all: of a large gallery, SAMPLE rows evenly spread."""
    count = len(embeddings)
    return embeddings if count <= SAMPLE else embeddings[np.arange(SAMPLE) * count // SAMPLE]


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """The SHA-256 of a network's input (S, S, 3): the same for pictures it cannot tell apart."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _taken(values: Sequence[Value], rows: Integers) -> list[Value]:
    return values.at(rows) if isinstance(values, Column) else [values[r] for r in rows.tolist()]
