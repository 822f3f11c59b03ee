"""Running a batch job: what is to be done, on which engine, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from interpret.batch.columns import Extras
from interpret.batch.engines import Engine, Workers
from interpret.batch.job import Done, Finished, Job
from interpret.batch.job_progress import JobProgress
from interpret.batch.places import is_remote
from interpret.batch.sources import list_sources
from interpret.batch.worker import Worker
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError


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
    tell: Callable[[str], object] = lambda _: None,
) -> Result:
    """Answer all pictures of the sources into Parquet shards in the folder `out`.

    Shards that are there already are kept: a job that was cut goes on. `tell` gets a line on the
    progress now and then, where no terminal shows a bar. Raises DpnpError, OSError.
    """
    if engine == "ray":
        from interpret.batch import ray_engine  # here: ray may not be installed

        ray_engine.connect()
    for source in sources:
        if not is_remote(source) and out.resolve().is_relative_to(Path(source).resolve()):
            raise DpnpError(f"--out {out}: lies within the source {source}; give one elsewhere")
    manifest = Bundle.load(bundle).manifest
    listing = list_sources(sources)
    job = Job.opened(out, manifest, sources, listing, extras)
    with job.held():
        done = {each.part: each for n in range(job.plan.parts) if (each := job.done(n))}
        todo, kept = [n for n in range(job.plan.parts) if n not in done], len(done)
        if todo:
            job = job.begun()
        with JobProgress(job.plan, list(done.values()), tell) as shown:
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
