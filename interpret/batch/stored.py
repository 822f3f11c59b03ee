"""Embeddings of a finished batch job, in the place of embedding the pictures again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.batch.columns import SOURCE
from interpret.batch.job import SHARDS, Job, check_finished
from interpret.batch.places import absolute, opened_parquet
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.model.onnx_head import head_alone
from interpret.model.picture_files import as_text
from interpret.model.predictor import Prediction, run_head


class _Shard(NamedTuple):
    written: float  # when, in seconds
    first: int  # row of the whole job


class StoredAnswers:
    """What a bundle's model computed for the pictures of a job, found by their files."""

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
        embeddings, novelty, first = [], [], 0
        for file in sorted(folder.glob(SHARDS)):
            self._shards.append(_Shard(file.stat().st_mtime, first))
            with opened_parquet(str(file)) as shard:
                table = shard.read([SOURCE, "novelty", "embedding"], use_threads=False)
            table = table.filter(table.column("embedding").is_valid())
            for source in table.column(SOURCE).to_pylist():
                self._rows[_normal(absolute(source, job.plan.folder))] = first
                first += 1
            flat = table.column("embedding").combine_chunks().flatten()
            embeddings.append(flat.to_numpy().reshape(-1, bundle.manifest.embedding_dim))
            novelty.append(table.column("novelty").to_numpy().astype(np.float32))
        self._embeddings = np.concatenate(embeddings)
        self._novelty = np.concatenate(novelty)

    def rows_of(self, root: Path, sources: Sequence[str]) -> NDArray[np.int64]:
        """The rows (n,) of pictures by their paths below `root`; −1 for one that the job does not
        have, or that changed since.
        """
        folder = as_text(root.absolute())
        rows = [self._rows.get(_normal(f"{folder}/{source}"), -1) for source in sources]
        found = np.array(rows, np.int64)
        starts = np.array([shard.first for shard in self._shards])
        for i in np.flatnonzero(found >= 0).tolist():
            written = self._shards[np.searchsorted(starts, found[i], "right") - 1].written
            if _changed(root / sources[i], written):
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
