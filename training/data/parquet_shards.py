"""Parquet shards: a column of encoded pictures and one of labels."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from interpret.batch.parquet_columns import (
    LABELS,
    PictureColumns,
    class_names,
    label_of,
    picture_columns,
)
from interpret.bundle.errors import DpnpError
from interpret.model.picture_files import as_text
from training.config.errors import DataError
from training.data.shard_rows import ShardRows

LARGE_GROUP = 64_000_000  # bytes: for each picture that is read, so much may be read
_KEPT = 2  # row groups in the memory of a process
_LOCK = threading.Lock()  # threads that want one row group read it once


def index_parquet(file: Path) -> ShardRows:
    """Where each picture of a file lies, and its label. No picture is read.

    Raises DataError that names the file and the row.
    """
    try:
        with pq.ParquetFile(file) as table:
            _, label = _columns(file, table.schema_arrow)
            found = table.read([label], use_threads=False).column(label)
            counts = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
            names = class_names(table.schema_arrow, label)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{as_text(file)}: unreadable ({error})") from error
    if not sum(counts):
        raise DataError(f"{as_text(file)}: no rows in it")
    values, labels = found.to_pylist(), []
    for row, value in enumerate(values):
        own = label_of(value)
        if own is None:
            raise DataError(f"{as_text(file)}: row {row} has no label ({label} is {value!r})")
        labels.append(own)
    groups = np.repeat(np.arange(len(counts)), counts)
    rows = np.concatenate([np.arange(count) for count in counts])
    return ShardRows(
        np.stack([groups, rows], 1).astype(np.int64),
        labels,
        [str(row) for row in range(len(labels))],
        names,
    )


def largest_group(file: Path) -> int:
    """Bytes of the largest row group, not compressed."""
    metadata = pq.read_metadata(file)
    sizes = [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]
    return int(max(sizes))


def read_parquet(file: Path, group: int, row: int) -> bytes:
    """The bytes of a picture; none for a null. Raises OSError."""
    try:
        with _LOCK:
            pictures = _row_group(file, group)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
    return pictures[row].as_py() or b""


@lru_cache(maxsize=_KEPT)
def _row_group(file: Path, group: int) -> pa.ChunkedArray:
    with pq.ParquetFile(file) as table:
        columns, _ = _columns(file, table.schema_arrow)
        # A member alone of a struct, so that nothing beside the bytes is read.
        name = f"{columns.picture}.bytes" if columns.struct else columns.picture
        pictures = table.read_row_group(group, [name], use_threads=False).column(0)
    return pc.struct_field(pictures, "bytes") if columns.struct else pictures


def _columns(file: Path, schema: pa.Schema) -> tuple[PictureColumns, str]:
    try:
        columns = picture_columns(as_text(file), schema)
    except DpnpError as error:
        raise DataError(str(error)) from error
    if columns.holds != "bytes":
        raise DataError(
            f"{as_text(file)}: the column {columns.picture!r} has paths, not the pictures' bytes"
        )
    if columns.label is None:
        raise DataError(
            f"{as_text(file)}: no column of labels, text or integers, named "
            f"{', '.join(LABELS)}; it has {', '.join(schema.names)}"
        )
    return columns, columns.label
