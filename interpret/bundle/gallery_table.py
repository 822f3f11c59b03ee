"""The gallery's table: which training images are kept, and gallery.parquet on disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interpret.bundle.errors import BundleError


@dataclass(frozen=True)
class GalleryTable:
    """The training images kept for retrieval, one entry a row; rows match `embeddings`."""

    ids: NDArray[np.int64]  # (G,), unique and stable: they survive additions and deletions
    labels: NDArray[np.int64]  # (G,), indices into the class names
    splits: Sequence[str]
    sources: Sequence[str]  # where the picture came from, relative to its data set
    thumbnails: Sequence[bytes] = field(repr=False)  # encoded WebP, JPEG or PNG
    # `pixel_hash` of the network's input; None in galleries of before it was recorded.
    pixel_hashes: Sequence[str | None] = field(repr=False)

    def rows(self, kept: NDArray[np.int64]) -> GalleryTable:
        """The table of some of the rows, in the order of `kept`."""
        order = kept.tolist()
        return GalleryTable(
            self.ids[kept],
            self.labels[kept],
            [self.splits[row] for row in order],
            [self.sources[row] for row in order],
            [self.thumbnails[row] for row in order],
            [self.pixel_hashes[row] for row in order],
        )

    def extended(self, other: GalleryTable) -> GalleryTable:
        """The table with the rows of another one after its own."""
        return GalleryTable(
            np.concatenate([self.ids, other.ids]),
            np.concatenate([self.labels, other.labels]),
            [*self.splits, *other.splits],
            [*self.sources, *other.sources],
            [*self.thumbnails, *other.thumbnails],
            [*self.pixel_hashes, *other.pixel_hashes],
        )


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """The SHA-256 of a network's input (S, S, 3): the same for pictures it cannot tell apart."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def gallery_bytes(gallery: GalleryTable, class_names: Sequence[str]) -> bytes:
    """gallery.parquet; the thumbnails are given as ranges of their concatenation."""
    sizes = [len(thumbnail) for thumbnail in gallery.thumbnails]
    ends = np.cumsum(sizes, dtype=np.int64)
    table = pa.table(
        {
            "id": pa.array(gallery.ids, pa.int64()),
            "label": pa.array([class_names[i] for i in gallery.labels], pa.string()),
            "split": pa.array(list(gallery.splits), pa.string()),
            "source": pa.array(list(gallery.sources), pa.string()),
            "pixels_sha256": pa.array(list(gallery.pixel_hashes), pa.string()),
            "thumbnail_start": pa.array(ends - sizes, pa.int64()),
            "thumbnail_end": pa.array(ends, pa.int64()),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_gallery(
    file: Path, content: bytes, pictures: bytes, class_names: Sequence[str]
) -> GalleryTable:
    """The table in the `content` of gallery.parquet, with its thumbnails from `pictures`.

    Raises BundleError that names `file`.
    """
    try:
        # Not read_table, which imports pandas and file systems of the cloud: 35 MB.
        columns = pq.ParquetFile(pa.BufferReader(content)).read().to_pydict()
        ids = np.asarray(columns["id"], dtype=np.int64)
        starts = np.asarray(columns["thumbnail_start"], dtype=np.int64)
        ends = np.asarray(columns["thumbnail_end"], dtype=np.int64)
        index = {name: i for i, name in enumerate(class_names)}
        labels = np.asarray([index[label] for label in columns["label"]], dtype=np.int64)
        splits, sources = columns["split"], columns["source"]
        hashes = columns.get("pixels_sha256", [None] * len(ids))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise BundleError(f"{file}: not a gallery ({error})") from error
    if len(np.unique(ids)) != len(ids):
        raise BundleError(f"{file}: ids are not unique")
    if not ((starts >= 0) & (starts <= ends) & (ends <= len(pictures))).all():
        raise BundleError(f"{file}: a thumbnail lies outside thumbnails.bin")
    thumbnails = [pictures[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return GalleryTable(ids, labels, splits, sources, thumbnails, hashes)
