"""Pictures a second of a batch job, here and on Ray, against a bare ONNX Runtime loop.

    python -m tests.benchmarks.batch_jobs models/cifar10-dpnp-9d [--pictures 20000] [--side 256]
    python -m tests.benchmarks.batch_jobs models/cifar10-dpnp-9d --source PHOTOS --rounds 1

The pictures are JPEG files that are made, or those of a folder: `photograph_folder` makes one of
10,000 photographs. The bare loop reads, decodes and fits them in threads, batch by batch, and keeps
nothing. The job is that of `dpnp predict SOURCE --out DIR --embeddings`, which writes shards. Ray's
time counts from its workers' start. The ways take turns; a rate is the median of the rounds. Leave
the machine idle otherwise.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from interpret.batch import ray_engine
from interpret.batch.columns import Extras
from interpret.batch.engines import Engine, Workers
from interpret.batch.run import run_job
from interpret.bundle.bundle import Bundle
from interpret.explain.explainer import BATCH
from interpret.model.devices import cpu_count
from interpret.model.images import Preprocessing, open_image
from interpret.model.picture_files import pictures_in
from interpret.model.predictor import Predictor


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    source: Annotated[Path | None, typer.Option(help="folder of pictures")] = None,
    pictures: Annotated[int, typer.Option(help="that are made without --source")] = 20_000,
    side: Annotated[int, typer.Option(help="of theirs, the longer one in pixels")] = 256,
    workers: Annotated[int, typer.Option(help="of Ray")] = cpu_count(),
    rounds: int = 3,
) -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if source is None:
            source = folder / "pictures"
            write_pictures(source, pictures, side)
        files = pictures_in(source)
        size = sum(file.stat().st_size for file in files) / len(files)
        console.print(
            f"{cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; {bundle}; {len(files):,} pictures "
            f"of {size / 1000:.0f} kB on average"
        )
        ray_engine.connect()
        rates: dict[str, list[float]] = {}
        for number in range(rounds):
            ways: dict[str, Callable[[], object]] = {
                "bare loop": lambda: bare_loop(bundle, files),
                "local": partial(job, bundle, source, folder / f"local-{number}", "local", None),
                f"Ray, {workers} workers": partial(
                    job, bundle, source, folder / f"ray-{number}", "ray", workers
                ),
            }
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                rates.setdefault(name, []).append(len(files) / (time.perf_counter() - start))
    console.print(table(rates))


def write_pictures(folder: Path, count: int, side: int) -> None:
    """JPEG files of soft random shapes: they decode as photographs do."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        small = Image.fromarray(random.integers(0, 256, (16, 12, 3), np.uint8))
        picture = small.resize((side * 3 // 4, side), Image.Resampling.BICUBIC)
        picture.save(folder / f"{i:07}.jpg", quality=90)


def bare_loop(bundle: Path, files: list[Path]) -> None:
    """Read, decode, fit and run the model, batch after batch."""
    loaded = Bundle.load(bundle)
    predictor, fitted = Predictor(loaded), Preprocessing.of(loaded.manifest)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            predictor(np.stack(list(pool.map(lambda file: fitted(open_image(file)), batch))))


def job(bundle: Path, source: Path, out: Path, engine: Engine, workers: int | None) -> None:
    """A whole batch job."""
    run_job(bundle, [str(source)], out, Extras(True), engine=engine, workers=Workers(workers))


def table(rates: dict[str, list[float]]) -> Table:
    """Median rates, and their ratios to the bare loop."""
    shown = Table("way", "pictures/s", "of the bare loop")
    bare = float(np.median(rates["bare loop"]))
    for name, found in rates.items():
        rate = float(np.median(found))
        shown.add_row(name, f"{rate:,.0f}", f"{rate / bare:.2f}")
    return shown


if __name__ == "__main__":
    typer.run(main)
