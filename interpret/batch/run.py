"""Running a batch job: what is to be done, on which engine, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from interpret.batch.columns import Extras
from interpret.batch.engines import Engine, Workers
from interpret.batch.job import Done, Finished, Job
from interpret.batch.sources import list_sources
from interpret.batch.worker import Worker
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.model.progress import progress


class Result(NamedTuple):
    """What a job answered, and how many of its shards were there already."""

    finished: Finished
    shards: int
    kept: int


def run_job(
    bundle: Path,
    sources: Sequence[str],
    out: Path,
    extras: Extras = Extras(),  # noqa: B008 - immutable
    *,
    engine: Engine = "local",
    workers: Workers = Workers(),  # noqa: B008 - immutable
) -> Result:
    """Answer all pictures of the sources into Parquet shards in the folder `out`.

    Shards that are there already are kept: a job that was cut goes on. Raises DpnpError, OSError.
    """
    if engine == "ray":
        from interpret.batch import ray_engine  # here: ray may not be installed

        ray_engine.connect()
    manifest = Bundle.load(bundle).manifest
    listing = list_sources(sources)
    job = Job.opened(out, manifest, sources, listing, extras)
    with job.held():
        done = {each.part: each for n in range(job.plan.parts) if (each := job.done(n))}
        todo, kept = [n for n in range(job.plan.parts) if n not in done], len(done)
        if todo:
            job = job.begun()
        with _Progress(job.plan.pictures, job.plan.parts, list(done.values())) as shown:
            if not todo:
                results: Iterator[Done] = iter(())
            elif engine == "ray":
                results = ray_engine.run(out.resolve(), bundle.resolve(), todo, workers)
            else:
                results = _run_here(out, bundle, todo, shown.answering)
            for each in results:
                done[each.part] = each
                shown.done(each)
        if missing := job.plan.parts - len(done):
            raise DpnpError(f"{out}: {missing:,} shards were not written; run the command again")
        return Result(job.finish(done.values()), len(done), kept)


def _run_here(
    out: Path, bundle: Path, todo: Sequence[int], answering: Callable[[int], object]
) -> Iterator[Done]:
    worker = Worker(out, bundle)
    for number in todo:
        yield worker(number, answering)


class _Progress:
    """A bar over pictures, where the source tells how many, else over shards."""

    def __init__(self, pictures: int | None, parts: int, done: Sequence[Done]) -> None:
        self._counted = pictures is not None
        self._pictures = sum(each.pictures for each in done)
        self._partly = 0  # pictures of the part at work
        self._bar = progress()
        self._task = self._bar.add_task(
            "pictures",
            total=pictures if self._counted else parts,
            completed=self._pictures if self._counted else len(done),
        )

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def answering(self, pictures: int) -> None:
        """Some more pictures of the part at work are answered."""
        self._partly += pictures
        self._show()

    def done(self, part: Done) -> None:
        """A part is done."""
        self._pictures, self._partly = self._pictures + part.pictures, 0
        if not self._counted:
            self._bar.advance(self._task)
        self._show()

    def _show(self) -> None:
        pictures = self._pictures + self._partly
        if self._counted:
            self._bar.update(self._task, completed=pictures)
        else:
            self._bar.update(self._task, description=f"{pictures:,} pictures, shards")
