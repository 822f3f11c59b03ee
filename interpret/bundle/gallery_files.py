"""A gallery on disk: embeddings.npy, gallery.parquet and the thumbnails, written part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interpret.bundle.errors import BundleError
from interpret.bundle.gallery_columns import (
    ROW_GROUP,
    Integers,
    Repeated,
    TextColumn,
    ThumbnailFile,
    Thumbnails,
)
from interpret.bundle.gallery_ids import ascending, blocks, compact
from interpret.bundle.gallery_table import GalleryPart, GalleryTable
from interpret.bundle.manifest import FileEntry
from interpret.bundle.verified_files import Content, HashedFile, entry_of, release

THUMBNAILS = "thumbnails.bin"  # the first file; others are thumbnails-001.bin and so on
THUMBNAILS_SIZE = 256 * 2**20  # bytes of a file, but for its last picture
_HEADER = 128  # bytes before the numbers of a NumPy file
_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("pixels_sha256", pa.string()),
        ("thumbnail_file", pa.int32()),
        ("thumbnail_start", pa.int64()),
        ("thumbnail_end", pa.int64()),
    ]
)


def thumbnails_name(number: int) -> str:
    """The name of a file of thumbnails."""
    return f"thumbnails-{number:03}.bin" if number else THUMBNAILS


def thumbnail_files(folder: Path, files: Mapping[str, FileEntry]) -> list[ThumbnailFile]:
    """The bundle's files of thumbnails, opened; those that are not listed end the row."""
    names: list[str] = []
    while (name := thumbnails_name(len(names))) in files:
        names.append(name)
    return [ThumbnailFile(folder, name, files[name]) for name in names]


def read_gallery(
    file: Path, content: Content, pictures: Sequence[ThumbnailFile], class_names: Sequence[str]
) -> GalleryTable:
    """The table in the `content` of gallery.parquet, with its thumbnails from `pictures`.

    Only numbers are read; texts and pictures stay on disk. Raises BundleError that names `file`.
    """
    try:
        # Not read_table, which imports pandas and file systems of the cloud: 35 MB.
        buffer = pa.BufferReader(pa.py_buffer(content))
        # No threads of Arrow's: they may abort the process when the interpreter ends.
        table = pq.ParquetFile(buffer, read_dictionary=["label"], pre_buffer=False)
        numbers, labels = _numbers(table, class_names)
        texts = {name: TextColumn(file, table, name) for name in ("split", "source")}
        hashes: Sequence[str | None] = Repeated(None, len(labels))
        if "pixels_sha256" in table.schema_arrow.names:
            hashes = TextColumn(file, table, "pixels_sha256")
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise BundleError(f"{file}: not a gallery ({error})") from error
    ids = numbers["id"]
    if not ascending(ids) and len(np.unique(ids)) != len(ids):
        raise BundleError(f"{file}: ids are not unique")
    thumbnails = _thumbnails(file, pictures, numbers)
    release(content)
    return GalleryTable(
        compact(ids),
        labels,
        texts["split"],  # type: ignore[arg-type]
        texts["source"],  # type: ignore[arg-type]
        thumbnails,
        hashes,
    )


def _numbers(
    table: pq.ParquetFile, class_names: Sequence[str]
) -> tuple[dict[str, Integers], Integers]:
    """The columns of numbers, by name, in the smallest type that holds them, and the labels."""
    rows = table.metadata.num_rows
    wanted = ["id", "thumbnail_start", "thumbnail_end"]
    if "thumbnail_file" in table.schema_arrow.names:
        wanted.append("thumbnail_file")
    index = {name: i for i, name in enumerate(class_names)}
    found: dict[str, Integers] = {name: np.zeros(rows, np.int32) for name in wanted}
    labels: Integers = np.empty(rows, np.int16 if len(index) < 2**15 else np.int32)
    start = 0
    for number in range(table.metadata.num_row_groups):
        part = table.read_row_group(number, [*wanted, "label"], use_threads=False)
        end = start + part.num_rows
        for name in wanted:
            column = part.column(name)
            if column.null_count:
                raise ValueError(f"{name} is missing in a row")
            values = _array(column.cast(pa.int64()).combine_chunks())
            if not _small(values):
                found[name] = found[name].astype(np.int64)
            found[name][start:end] = values
        labels[start:end] = _labels(part.column("label"), index)
        start = end
    pa.default_memory_pool().release_unused()
    return found, labels


def _labels(column: pa.ChunkedArray, index: Mapping[str, int]) -> NDArray[np.int32]:
    if column.null_count:
        raise ValueError("a row has no label")
    parts = [np.empty(0, np.int32)]
    for chunk in column.chunks:
        if not pa.types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_encode()
        classes = np.array([index[name] for name in chunk.dictionary.to_pylist()], np.int32)
        parts.append(classes[_array(chunk.indices)])
    return np.concatenate(parts)


def _array(column: pa.Array) -> NDArray[np.int64]:
    """The numbers of a column; its own `to_numpy` would import pandas."""
    numbers: Any = np.from_dlpack(column) if len(column) else np.empty(0, np.int64)
    return np.asarray(numbers, np.int64)


def _small(values: NDArray[np.int64]) -> bool:
    limits = np.iinfo(np.int32)
    return bool(values.min(initial=0) >= limits.min and values.max(initial=0) <= limits.max)


def _thumbnails(
    file: Path, files: Sequence[ThumbnailFile], numbers: Mapping[str, Integers]
) -> Sequence[bytes]:
    starts, ends = numbers["thumbnail_start"], numbers["thumbnail_end"]
    which = np.broadcast_to(numbers.get("thumbnail_file", np.zeros(1, np.int32)), starts.shape)
    sizes, blank = np.array([len(each) for each in files]), True
    for rows in blocks(len(starts)):
        number, start, end = which[rows], starts[rows], ends[rows]
        known = (number >= 0) & (number < len(files))
        most = sizes[np.where(known, number, 0)]
        if not (known & (start >= 0) & (start <= end) & (end <= most)).all():
            raise BundleError(f"{file}: a thumbnail lies outside thumbnails.bin")
        blank &= bool((start == end).all())
    return Repeated(b"", len(starts)) if blank else Thumbnails(files, which, starts, ends)


class GalleryWriter:
    """Writes a gallery into a bundle's folder, part by part. A context: its end ends the files."""

    def __init__(self, folder: Path, class_names: Sequence[str], dim: int) -> None:
        self._folder, self._names, self._dim = folder, pa.array(class_names, pa.string()), dim
        self._embeddings = (folder / "embeddings.npy").open("wb+")
        self._embeddings.write(bytes(_HEADER))
        self._table = HashedFile(folder / "gallery.parquet")
        self._parquet = pq.ParquetWriter(self._table, _SCHEMA, compression="zstd")
        self._pictures = [HashedFile(folder / THUMBNAILS)]
        self._ids: list[NDArray[np.int64]] = []

    def __enter__(self) -> GalleryWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._parquet.close()
        self._embeddings.close()
        for file in (self._table, *self._pictures):
            file.close()

    def add(self, part: GalleryPart) -> None:
        """Append some rows."""
        table, embeddings = part
        values = np.ascontiguousarray(embeddings, np.float32)
        if values.shape != (len(table.ids), self._dim):
            raise BundleError(
                f"{self._folder / 'embeddings.npy'}: shape {values.shape}, "
                f"not {(len(table.ids), self._dim)}"
            )
        self._embeddings.write(values.tobytes())
        places = [self._picture(content) for content in table.thumbnails]
        columns: dict[str, Any] = {
            "id": table.ids,
            "label": self._names.take(pa.array(table.labels)),
            "split": list(table.splits),
            "source": list(table.sources),
            "pixels_sha256": list(table.pixel_hashes),
            "thumbnail_file": [number for number, _, _ in places],
            "thumbnail_start": [start for _, start, _ in places],
            "thumbnail_end": [end for _, _, end in places],
        }
        arrays = [pa.array(columns[f.name], f.type, from_pandas=False) for f in _SCHEMA]
        self._parquet.write_table(pa.table(arrays, schema=_SCHEMA), row_group_size=ROW_GROUP)
        self._ids.append(np.asarray(table.ids, np.int64))

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids of all rows (G,)."""
        return np.concatenate([np.empty(0, np.int64), *self._ids])

    def finish(self) -> dict[str, FileEntry]:
        """End the files, and say what they are."""
        self._parquet.close()
        rows = sum(len(ids) for ids in self._ids)
        form = {"descr": "<f4", "fortran_order": False, "shape": (rows, self._dim)}
        self._embeddings.seek(0)
        np.lib.format.write_array_header_1_0(self._embeddings, form)
        if self._embeddings.tell() != _HEADER:
            raise AssertionError("NumPy's header has another length")
        self._embeddings.flush()
        entries = {thumbnails_name(i): each.entry for i, each in enumerate(self._pictures)}
        # Its header is known last: this file is hashed once it is there.
        entries["embeddings.npy"] = entry_of(self._folder / "embeddings.npy")
        return entries | {"gallery.parquet": self._table.entry}

    def _picture(self, content: bytes) -> tuple[int, int, int]:
        """Append a thumbnail; the number of its file, and where it begins and ends there."""
        if content and self._pictures[-1].tell() >= THUMBNAILS_SIZE:
            self._pictures[-1].flush()
            name = thumbnails_name(len(self._pictures))
            self._pictures.append(HashedFile(self._folder / name))
        file = self._pictures[-1]
        start = file.tell()
        file.write(content)
        return len(self._pictures) - 1, start, file.tell()
