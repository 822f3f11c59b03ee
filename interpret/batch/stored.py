"""Embeddings of a finished batch job, in the place of embedding the pictures again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interpret.batch.columns import SOURCE
from interpret.batch.contents import row_address
from interpret.batch.job import Job, check_finished
from interpret.batch.places import absolute, opened_parquet
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.model.onnx_head import head_alone
from interpret.model.picture_files import as_text
from interpret.model.predictor import Prediction, run_head


class _Shard(NamedTuple):
    written: float  # when, in seconds
    first: int  # row of the whole job
    container: Path | None  # the archive or Parquet file that the pictures lie in; None: files


class StoredAnswers:
    """What a bundle's model computed for the pictures of a job, found by where these lie."""

    def __init__(self, folder: Path, bundle: Bundle) -> None:
        """Reads all embeddings. Raises DpnpError for another bundle's job, or one without them."""
        job = Job.read(folder)
        check_finished(folder)
        if job.plan.bundle != bundle.manifest.fingerprint:
            raise DpnpError(
                f"{folder}: holds answers of another bundle ({job.plan.model}, "
                f"{job.plan.bundle:.12}), not of {bundle.path}"
            )
        if not job.plan.embeddings:
            raise DpnpError(f"{folder}: holds no embeddings; run dpnp predict with --embeddings")
        self._head = head_alone(bundle.read("model.onnx"))
        self._rows: dict[str, int] = {}
        self._shards: list[_Shard] = []
        self._count = 0
        embeddings, novelty = [], []
        for number in range(job.plan.parts):
            if not job.shard(number).exists():  # removed since: its pictures are embedded anew
                continue
            table = self._read(job, number)
            flat = table.column("embedding").combine_chunks().flatten()
            embeddings.append(flat.to_numpy().reshape(-1, bundle.manifest.embedding_dim))
            novelty.append(table.column("novelty").to_numpy().astype(np.float32))
        if not embeddings:
            raise DpnpError(f"{folder}: its shards are gone; run the same dpnp predict again")
        self._embeddings = np.concatenate(embeddings)
        self._novelty = np.concatenate(novelty)

    def _read(self, job: Job, number: int) -> pa.Table:
        """The rows of a shard that have an embedding; it is noted where their pictures lie."""
        file, part = job.shard(number), job.part(number)
        with opened_parquet(str(file)) as shard:
            table = shard.read([SOURCE, "novelty", "embedding"], use_threads=False)
        good = table.column("embedding").is_valid()
        if part.kind == "parquet":  # whose pictures may have names of their own
            rows = np.flatnonzero(good.to_numpy()).tolist()
            place = as_text(part.places[0])
            sources = [row_address(place, part.first + row) for row in rows]
        else:
            sources = table.column(SOURCE).filter(good).to_pylist()
        container = (
            None if part.kind == "files" else Path(absolute(part.places[0], job.plan.folder))
        )
        self._shards.append(_Shard(file.stat().st_mtime, self._count, container))
        for source in sources:
            self._rows[_normal(absolute(source, job.plan.folder))] = self._count
            self._count += 1
        return table.filter(good)

    def rows_of(self, places: Sequence[str]) -> NDArray[np.int64]:
        """The rows (n,) of pictures by their absolute paths, as a job tells them: of a picture in
        a shard that of the shard, and what stands for it there. −1 for one that the job does not
        have, or that changed since.
        """
        found = np.array([self._rows.get(_normal(place), -1) for place in places], np.int64)
        starts = np.array([shard.first for shard in self._shards])
        which = np.searchsorted(starts, found, "right") - 1
        stale = {
            i
            for i, shard in enumerate(self._shards)
            if shard.container is not None and _changed(shard.container, shard.written)
        }
        for i in np.flatnonzero(found >= 0).tolist():
            shard = self._shards[which[i]]
            if which[i] in stale or (
                shard.container is None and _changed(Path(places[i]), shard.written)
            ):
                found[i] = -1
        return found

    def prediction(self, rows: NDArray[np.int64]) -> Prediction:
        """What the model computed for these rows, without evidence."""
        embeddings = self._embeddings[rows]
        return Prediction(embeddings, *run_head(self._head, embeddings), None, self._novelty[rows])


def _changed(file: Path, since: float) -> bool:
    try:
        return file.stat().st_mtime > since
    except OSError:  # gone, or of a name that is no text
        return True


def _normal(path: str) -> str:
    return os.path.normpath(path)
