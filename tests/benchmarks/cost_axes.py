"""What `cost_growth` measures: for each axis the sizes, the work of one size, and the panels."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import galleries

Row = dict[str, Any]  # figures by name


class Panel(NamedTuple):
    """A panel of an axis's figure: the columns drawn in it, and whether they are costs."""

    title: str
    columns: tuple[str, ...]
    cost: bool = True  # on a scale of powers of ten, with an exponent


class Options(NamedTuple):
    """What all axes are given."""

    bundle: Path
    seconds: float  # of load on a service
    place: Path | None  # for large files


class Axis(NamedTuple):
    """What grows, and how one size of it is measured."""

    label: str
    sizes: tuple[int, ...]
    measure: Callable[[int, Options], Row]
    panels: tuple[Panel, ...]
    power: int = 1  # of the size, that cost is held against


def gallery(size: int, options: Options) -> Row:
    """A gallery of 10-D embeddings."""
    return galleries.gallery_of(size, 10, options.place)


def wide_gallery(size: int, options: Options) -> Row:
    """A gallery of 512-D embeddings."""
    return galleries.gallery_of(size, 512, options.place)


def classes(size: int, _: Options) -> Row:
    """Prototypes in 10-D."""
    from tests.benchmarks.classes import measure

    with tempfile.TemporaryDirectory() as folder:
        return dict(measure(size, 10, Path(folder)))


def image_side(size: int, _: Options) -> Row:
    """A side of the square input of the default backbone."""
    from tests.benchmarks.image_sides import measure

    return dict(measure(size))


def connections(size: int, options: Options) -> Row:
    """Connections to a service of one worker."""
    return _service(options, connections=size, workers=1)


def workers(size: int, options: Options) -> Row:
    """Workers of a service."""
    return _service(options, connections=16, workers=size)


def _service(options: Options, *, connections: int, workers: int) -> Row:
    from tests.benchmarks.load import picture, post_bytes
    from tests.benchmarks.serving_throughput import loaded, workers_of
    from tests.serving.servers import serve

    settings = {"DPNP_BUNDLE": options.bundle.absolute(), "DPNP_WORKERS": workers}
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder) / "log", **settings) as server:
        request = post_bytes(server.url, "/predict", picture())
        loaded(server, request, connections, min(options.seconds, 3))  # warms up
        found, cost = loaded(server, request, connections, options.seconds)
        memory = [process.memory_full_info().pss / 2**20 for process in workers_of(server)]
    return {
        "pictures/s": found.rate,
        "median ms": found.good_percentile(0.5),
        "99 % ms": found.good_percentile(0.99),
        "CPU ms a picture": 1000 * cost,
        "refused": sum(found.statuses.values()) - found.statuses[200],
        "MB of the workers": sum(memory),
        "ready s": server.seconds_to_ready,
    }


def batch_job(size: int, options: Options) -> Row:
    """Pictures in a batch job."""
    from tests.benchmarks.batch_jobs import job, write_pictures

    with tempfile.TemporaryDirectory(dir=options.place) as place:
        folder = Path(place)
        source = folder / "pictures"
        write_pictures(source, size, 256)
        start = time.perf_counter(), time.process_time()
        job(options.bundle, source, folder / "answers", "local", None)
        seconds, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "CPU seconds": cpu, "peak MB": peak}


_GALLERY = (
    Panel("seconds of a CPU", ("build CPU s", "ready CPU s")),
    Panel("CPU milliseconds of a query", ("query ms", "99 % ms")),
    Panel("MB", ("build MB", "own MB", "mapped MB", "vectors MB")),
    Panel("recall of the ten nearest", ("recall",), cost=False),
)
_SERVICE = (
    Panel("milliseconds of an answer", ("median ms", "99 % ms")),
    Panel("CPU milliseconds of a picture", ("CPU ms a picture",)),
    Panel("pictures a second", ("pictures/s",), cost=False),
)
AXES = {
    "gallery": Axis("rows, 10-D", tuple(10**n for n in range(4, 8)), gallery, _GALLERY),
    "gallery-512": Axis("rows, 512-D", (10_000, 100_000, 1_000_000), wide_gallery, _GALLERY),
    "classes": Axis(
        "classes",
        tuple(10**n for n in range(1, 6)),
        classes,
        (
            Panel("CPU milliseconds", ("loss ms", "predict ms", "page ms", "search ms")),
            Panel(
                "seconds",
                ("packing s", "geometry s", "export s", "service ready s", "page ready s"),
            ),
            Panel("MB, and bytes of an answer", ("peak MB", "map MB", "answer bytes")),
        ),
    ),
    "image-side": Axis(
        "pixels of the square's side",
        (64, 96, 128, 160, 192, 224, 256),
        image_side,
        (
            Panel("CPU milliseconds of a picture", ("training ms", "predict ms", "evidence ms")),
            Panel("MB", ("training MB",)),
            Panel("seconds", ("export s",)),
        ),
        power=2,
    ),
    "connections": Axis("connections", (1, 2, 4, 8, 16, 32, 64), connections, _SERVICE),
    "workers": Axis(
        "workers",
        (1, 2),
        workers,
        (
            Panel("MB of the workers", ("MB of the workers",)),
            Panel("seconds", ("ready s",)),
            *_SERVICE[1:],
        ),
    ),
    "batch-job": Axis(
        "pictures",
        tuple(10**n for n in range(5)),
        batch_job,
        (Panel("seconds", ("seconds", "CPU seconds")), Panel("MB", ("peak MB",))),
    ),
}
