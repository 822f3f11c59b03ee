"""A gallery of a size: import from Parquet, start, memory, time of a query, and recall.

    python -m tests.benchmarks.galleries streamed 10000000 512 --directions 32 --place /large/disk

`cost_growth` measures galleries of many sizes with it. The rows are written as Parquet shards and
imported as `dpnp update-gallery --from` does. The gallery is then loaded and asked in a process of
its own, whose memory is that of loading and queries alone. The rows lie around 100 prototypes, as
a model's do; the model itself is left out.

`streamed` measures one gallery whose rows go into the bundle as they are made, without shards: the
disk holds the bundle alone, 21 GB for 10,000,000 rows in 512-D, and 2 GB must be left. With
`--directions` the rows differ from their prototype in so few directions, as the embeddings of a
network do; without, in all.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from interpret.bundle.bundle import MANIFEST, Bundle, write_parts
from interpret.bundle.gallery_table import GalleryPart, GalleryTable
from interpret.edit.gallery_update import update_gallery
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.vector_index import exact_distances, index_writer

CLASSES, BLOCK, SHARD = 100, 100_000, 1_000_000
MODEL = Path("models/digits-dpnp")
K, QUERIES, COMPARED, ROUNDS = 10, 1000, 100, 3
LEFT_FREE = 2 * 10**9  # bytes of a disk, for what others write meanwhile


def rows(
    count: int, dim: int, seed: int, directions: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Embeddings and labels, block by block. They lie about 16 from their prototypes, which have
    norm 40, in any direction or in so many.
    """
    fixed = np.random.default_rng(0)
    centres = fixed.standard_normal((CLASSES, dim))
    centres *= 40 / np.linalg.norm(centres, axis=1, keepdims=True)
    centres = centres.astype(np.float32)
    axes = None
    if directions is not None:
        axes = np.linalg.qr(fixed.standard_normal((dim, directions)))[0].T.astype(np.float32)
    random = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        labels = random.integers(0, CLASSES, min(BLOCK, count - start))
        free = directions or dim
        noise = random.standard_normal((len(labels), free), np.float32) * (16 / free**0.5)
        if axes is not None:
            noise = noise @ axes
        noise += centres[labels]
        yield noise, labels


def write_shards(folder: Path, count: int, dim: int) -> None:
    kind = pa.list_(pa.float32(), dim)
    schema = pa.schema({"embedding": kind, "label": pa.string(), "source": pa.string()})
    folder.mkdir()
    writer, written = None, 0
    names = pa.array([f"class {i}" for i in range(CLASSES)])
    for embeddings, labels in rows(count, dim, 1):
        if writer is None or written % SHARD == 0:
            if writer is not None:
                writer.close()
            writer = pq.ParquetWriter(folder / f"{written:09}.parquet", schema)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), dim)
        sources = pa.array([f"{written + i:09}.jpg" for i in range(len(labels))])
        writer.write_batch(pa.record_batch([flat, names.take(pa.array(labels)), sources], schema))
        written += len(labels)
    if writer is not None:
        writer.close()


def written(
    path: Path, dim: int, gallery: Iterable[GalleryPart] = (), *, indexed: bool = False
) -> Bundle:
    """A bundle of many classes without a model, with this gallery."""
    manifest = Bundle.load(MODEL).manifest
    changes: dict[str, Any] = {
        "embedding_dim": dim,
        "class_names": [f"class {i}" for i in range(CLASSES)],
        "calibration": None,
        "radius": None,
        "metrics": manifest.metrics.model_copy(update={"per_class": None}),
    }
    return write_parts(
        path,
        manifest.model_copy(update=changes),
        model=b"",
        prototypes=np.ones((CLASSES, dim), np.float32),
        gallery=gallery,
        weights=b"",
        index=index_writer() if indexed else None,
    )


def memory() -> tuple[float, float]:
    """MB of this process that are its own, and those of mapped files."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def measure(path: Path, directions: int | None = None, rounds: int = ROUNDS) -> None:
    """Load a bundle's gallery and ask it, in time of a CPU: other work on it does not count. The
    least of the rounds is what counts, as far as that work slows memory down.
    """
    dim = json.loads((path / MANIFEST).read_text())["embedding_dim"]
    [(queries, _)] = rows(QUERIES, dim, 2, directions)
    before, tried = memory(), []
    for number in range(rounds):
        start = time.process_time()
        bundle = Bundle.load(path)
        gallery = Gallery(bundle)
        ready = time.process_time() - start
        if number == 0:
            loaded = memory()
        found = asked(gallery, queries)
        if number == 0:
            used = memory()
        tried.append({"ready CPU s": ready} | found)
    truth = exact_distances(queries[:COMPARED], bundle.embeddings, K)
    near = gallery.search(queries[:COMPARED], K).distances
    search = bundle.manifest.search
    figures = {
        "kind": "exact" if search is None else f"{search.kind} × {search.probes}",
        **{name: min(each[name] for each in tried) for name in tried[0]},
        "recall": float((near <= truth[:, -1:] * (1 + 1e-5)).mean()),
        "own MB": max(loaded[0], used[0]) - before[0],
        "mapped MB": used[1] - before[1],
        "vectors MB": bundle.embeddings.nbytes / 2**20,
    }
    if rounds == 1:  # of a large gallery embeddings may have to come from disk
        [(others, _)] = rows(QUERIES, dim, 3, directions)
        waited = asked(gallery, others, time.perf_counter)
        figures["query ms by the clock"] = waited["query ms"]
    print(json.dumps(figures))


def asked(
    gallery: Gallery, queries: np.ndarray, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Milliseconds that each query takes."""
    times = []
    for query in queries:
        start = clock()
        gallery.search(query[None], K)
        times.append(1000 * (clock() - start))
    return {"query ms": median(times), "99 % ms": float(np.quantile(times, 0.99))}


def build(folder: Path, dim: int) -> None:
    """Import the shards in `folder`; prints seconds of a CPU and the largest memory of its own."""
    bundle = written(folder / "empty", dim)
    report_cost(lambda: update_gallery(bundle, {}, [], folder / "full", shards=folder / "shards"))


def stream(folder: Path, count: int, dim: int, directions: int | None = None) -> None:
    """Write a bundle of generated rows in `folder`; prints what `build` does."""

    def parts() -> Iterator[GalleryPart]:
        first, start = 0, time.perf_counter()
        for embeddings, labels in rows(count, dim, 1, directions):
            ids = np.arange(first, first + len(labels))
            sources = [f"{i:09}.jpg" for i in ids]
            blank, none = [b""] * len(ids), [None] * len(ids)
            table = GalleryTable(ids, labels, ["made"] * len(ids), sources, blank, none)
            yield GalleryPart(table, embeddings)
            first += len(ids)
            if first % (10 * BLOCK) == 0:
                seconds = time.perf_counter() - start
                print(f"{first:,} rows made in {seconds:,.0f} s", file=sys.stderr, flush=True)

    report_cost(lambda: written(folder / "full", dim, parts(), indexed=True))


def report_cost(work: Callable[[], object]) -> None:
    """Print the seconds of a CPU that `work` takes, and the largest memory of its own."""
    most, done = [0.0], threading.Event()
    before = memory()[0]

    def watch() -> None:
        while True:
            most[0] = max(most[0], memory()[0] - before)
            if done.wait(0.02):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    seconds = time.process_time() - start
    print(json.dumps({"build CPU s": seconds, "build MB": most[0]}))


def alone(*words: object) -> dict[str, Any]:
    """What this file prints in a process of its own."""
    line = [sys.executable, "-m", "tests.benchmarks.galleries", *map(str, words)]
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def gallery_of(count: int, dim: int, place: Path | None = None) -> dict[str, Any]:
    """All figures of a gallery of `count` rows; its files lie in the folder `place` meanwhile."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        write_shards(Path(folder) / "shards", count, dim)
        return alone("build", folder, dim) | alone("measure", Path(folder) / "full")


def streamed(
    count: Annotated[int, typer.Argument(help="rows")],
    dim: Annotated[int, typer.Argument(help="numbers of an embedding")],
    directions: Annotated[int | None, typer.Option(help="in which rows differ")] = None,
    place: Annotated[Path | None, typer.Option(help="folder for the bundle meanwhile")] = None,
) -> None:
    """Measure a gallery whose rows go into the bundle as they are made; prints its figures."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        # The embeddings, and less than 100 bytes a row for the index's codes and the table.
        needed, free = count * (4 * dim + 100) + LEFT_FREE, shutil.disk_usage(folder).free
        if needed > free:
            raise SystemExit(f"{folder}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} free")
        more = [] if directions is None else ["--directions", directions]
        start = time.perf_counter()
        figures = alone("stream", folder, count, dim, *more)
        print(told(figures | {"build minutes": (time.perf_counter() - start) / 60}), flush=True)
        size = sum(file.stat().st_size for file in (Path(folder) / "full").iterdir())
        search = json.loads((Path(folder) / "full" / MANIFEST).read_text())["search"]
        print(told({"bundle MB": size / 2**20} | (search or {})), flush=True)
        print(told(alone("measure", Path(folder) / "full", "--rounds", 1, *more)))


def told(figures: dict[str, Any]) -> str:
    """A line for each figure."""
    return "\n".join(
        f"{name}: {value:,.4g}" if isinstance(value, float) else f"{name}: {value}"
        for name, value in figures.items()
    )


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    for command in (build, stream, measure, streamed):
        app.command()(command)
    app()
