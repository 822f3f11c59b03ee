"""A worker of a batch job: it loads the bundle once, and writes the shards it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from interpret.batch.answered import answered
from interpret.batch.columns import batch_of, schema
from interpret.batch.contents import pictures_of
from interpret.batch.job import Done, Job
from interpret.bundle.errors import DpnpError
from interpret.explain.explainer import BATCH, Explainer
from interpret.model.predictor import Device


class Worker:
    """Answers parts of one job with one verified bundle. Both engines run it."""

    def __init__(
        self, folder: Path, bundle: Path, *, threads: int | None = None, device: Device = "auto"
    ) -> None:
        """`threads` decode and compute (default: all CPUs). Raises DpnpError."""
        self._job, self._threads = Job.read(folder), threads
        self._explainer = Explainer.load(bundle, threads=threads, device=device)
        manifest, plan = self._explainer.bundle.manifest, self._job.plan
        if manifest.fingerprint != plan.bundle:
            raise DpnpError(
                f"{bundle}: is {manifest.fingerprint:.12} here; the job is of {plan.bundle:.12}"
            )
        self._classes = frozenset(manifest.class_names)
        self._schema = schema(plan.extras, manifest.embedding_dim)

    def __call__(self, number: int, answering: Callable[[int], object] = lambda _: None) -> Done:
        """Write the shard of a part, unless it is there; `answering` is told of pictures on the
        way.

        Raises OSError when it cannot be written.
        """
        return self._job.done(number) or self._job.write(
            number, self._schema, self._batches(number, answering)
        )

    def _batches(self, number: int, answering: Callable[[int], object]) -> Iterator[pa.RecordBatch]:
        plan = self._job.plan
        answers = answered(
            self._explainer,
            pictures_of(self._job.part(number), plan.folder),
            threads=self._threads,
            thumbnails=plan.thumbnails,
        )
        while rows := list(islice(answers, BATCH)):
            yield batch_of(rows, self._schema, self._classes)
            answering(len(rows))
