"""Gallery rows from Parquet shards: pictures that were embedded elsewhere, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interpret.batch.columns import OWN_LABEL
from interpret.batch.job import FINGERPRINT, check_finished
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_columns import ROW_GROUP, Integers
from interpret.bundle.gallery_table import GalleryPart, GalleryTable
from interpret.bundle.manifest import Manifest
from interpret.edit.new_pictures import SPLIT
from interpret.model.progress import progress

_NEEDED = ("embedding", "label", "source")
_OPTIONAL = ("split", "thumbnail", "pixels_sha256")


class Shards:
    """The rows of all Parquet files below a folder, for the gallery of a bundle.

    Columns: `embedding`, a list of d floats; `label`; `source`; and optionally `thumbnail`, an
    encoded picture, `split` and `pixels_sha256`. A row without an embedding is left out. In the
    shards of a batch job `label` is the model's answer: `own_label` counts first, and a row without
    it whose verdict is none_of_these is left out.
    """

    def __init__(self, folder: Path, bundle: Bundle) -> None:
        """Looks at columns, labels and models of all shards; raises DpnpError for a bad one."""
        self._names = bundle.manifest.class_names
        self._index = {name: i for i, name in enumerate(self._names)}
        self._dim = bundle.manifest.embedding_dim
        self.rows, self.left_out = 0, 0
        # Rows of a batch job whose source had no label for them: taken, and left out.
        self.only_answered, self.unrecognised = 0, 0
        self._files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
        if not self._files:
            raise DpnpError(f"--from {folder}: no Parquet files in it")
        for place in {folder, *(file.parent for file in self._files)}:
            check_finished(place)
        known = _same_embedding(bundle.manifest)
        for file in self._files:
            with _opened(file) as shard:
                self._check(file, shard, known)
                without = _without_embedding(shard)
                self.rows += shard.metadata.num_rows - without
                self.left_out += without
        self.rows -= self.unrecognised

    def parts(self, first_id: int) -> Iterator[GalleryPart]:
        """All rows, few at a time; ids count from `first_id`."""
        with progress() as bar:
            total = self.rows + self.left_out + self.unrecognised
            task = bar.add_task("gallery rows", total=total)
            for file in self._files:
                with _opened(file) as shard:
                    names = shard.schema_arrow.names
                    columns = [*_NEEDED, *(name for name in _OPTIONAL if name in names)]
                    columns += [OWN_LABEL, "verdict"] * (OWN_LABEL in names)
                    row = 0
                    for batch in shard.iter_batches(ROW_GROUP, columns=columns, use_threads=False):
                        part = self._part(file, row, batch, first_id)
                        yield part
                        first_id += len(part.embeddings)
                        row += len(batch)
                        bar.advance(task, len(batch))

    def _check(self, file: Path, shard: pq.ParquetFile, known: set[str]) -> None:
        schema = shard.schema_arrow
        missing = [name for name in _NEEDED if name not in schema.names]
        if missing:
            raise DpnpError(f"{file}: has no column {missing[0]!r}")
        kind = schema.field("embedding").type
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        size = kind.list_size if pa.types.is_fixed_size_list(kind) else self._dim
        if not any(is_kind(kind) for is_kind in lists) or not pa.types.is_floating(kind.value_type):
            raise DpnpError(f"{file}: its embeddings are {kind}, not lists of floats")
        if size != self._dim:
            raise DpnpError(f"{file}: embeddings of {size} numbers; the model has {self._dim}")
        own = (schema.metadata or {}).get(FINGERPRINT, b"").decode(errors="replace")
        if own and own not in known:
            raise DpnpError(f"{file}: embedded by the model {own:.12}, which embeds otherwise")
        labels = ["label", *[OWN_LABEL, "verdict"] * (OWN_LABEL in schema.names)]
        for batch in shard.iter_batches(ROW_GROUP, columns=labels, use_threads=False):
            for label in pc.unique(_labels(batch)).to_pylist():
                if label is not None and label not in self._index:
                    raise DpnpError(f"{file}: no class {label!r} in the model")
            if len(labels) > 1:  # an unreadable picture has no answer, and maybe a label
                answered = pc.and_not(
                    batch.column("label").is_valid(), batch.column(OWN_LABEL).is_valid()
                )
                unrecognised = _unrecognised(batch)
                self.only_answered += pc.and_not(answered, unrecognised).true_count
                self.unrecognised += unrecognised.true_count

    def _part(self, file: Path, row: int, batch: pa.RecordBatch, first: int) -> GalleryPart:
        used = batch.column("embedding").is_valid()
        if OWN_LABEL in batch.schema.names:
            used = pc.and_not(used, _unrecognised(batch))
        batch = batch.filter(used)
        embeddings = self._embeddings(file, row, batch.column("embedding"))
        labels = _labels(batch)
        if labels.null_count:
            raise DpnpError(f"{file}: a row from {row:,} on has an embedding and no label")
        # Absent columns are filled in; so are missing values of optional ones.
        given = {name: batch.column(name).to_pylist() for name in batch.schema.names[1:]}
        nothing = [None] * len(batch)
        return GalleryPart(
            GalleryTable(
                np.arange(first, first + len(batch)),
                self._labels(labels),
                [split or SPLIT for split in given.get("split", nothing)],
                [source or "" for source in given["source"]],
                [content or b"" for content in given.get("thumbnail", nothing)],
                given.get("pixels_sha256", nothing),
            ),
            embeddings,
        )

    def _embeddings(self, file: Path, row: int, column: pa.Array) -> NDArray[np.float32]:
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        flat = column.flatten()
        sizes = pc.unique(pc.list_value_length(column)).to_pylist()
        if flat.null_count or sizes not in ([], [self._dim]):
            raise DpnpError(
                f"{file}: an embedding in rows {row:,} to {row + ROW_GROUP:,} has not "
                f"{self._dim} numbers"
            )
        values = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
        embeddings: NDArray[np.float32] = values.reshape(-1, self._dim)
        bad = np.flatnonzero(~np.isfinite(embeddings).all(1))
        if len(bad):
            raise DpnpError(f"{file}: the embedding of row {row + bad[0]:,} is not finite")
        return embeddings

    def _labels(self, column: pa.Array) -> Integers:
        encoded = column.dictionary_encode()
        classes = np.array([self._index[name] for name in encoded.dictionary.to_pylist()], np.int32)
        return classes[encoded.indices.to_numpy()] if len(column) else classes


def _labels(batch: pa.RecordBatch) -> pa.Array:
    """The labels of rows: the source's own before the model's answers."""
    labels = batch.column("label")
    if OWN_LABEL not in batch.schema.names:
        return labels
    return pc.coalesce(batch.column(OWN_LABEL), labels)


def _unrecognised(batch: pa.RecordBatch) -> pa.Array:
    """Which rows of a batch job have no class: neither the source nor the model gives one."""
    none = pc.fill_null(pc.equal(batch.column("verdict"), "none_of_these"), False)
    return pc.and_not(none, batch.column(OWN_LABEL).is_valid())


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, pre_buffer=False)  # which would start a thread
    except (pa.ArrowException, OSError) as error:
        raise DpnpError(f"{file}: cannot be read ({error})") from error


def _without_embedding(shard: pq.ParquetFile) -> int:
    """How many rows have none; read from the statistics that most files have."""
    metadata, nulls = shard.metadata, 0
    column = next(
        i
        for i in range(metadata.num_columns)
        if metadata.schema.column(i).path.split(".")[0] == "embedding"
    )
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group).column(column).statistics
        if found is not None and found.has_null_count:
            nulls += found.null_count
        else:
            column_read = shard.read_row_group(group, ["embedding"], use_threads=False)
            nulls += column_read.column("embedding").null_count
    return nulls


def _same_embedding(manifest: Manifest) -> set[str]:
    """Fingerprints of the bundle and of its parents back to when its head was taught."""
    found = {manifest.fingerprint}
    for change in reversed(manifest.changes):
        if change.what.startswith("taught "):
            break
        found.add(change.parent)
    return found
