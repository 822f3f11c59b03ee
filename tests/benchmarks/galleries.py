"""Galleries from 10⁴ rows on: import from Parquet, start, memory, time of a query, and recall.

python -m tests.benchmarks.galleries [--largest 10000000] [--dim 10] [--plot galleries.png]

Each size is written as Parquet shards and imported as `dpnp update-gallery --from` does. It is then
loaded and asked in a process of its own, whose memory is that of loading and queries alone. The
rows lie around 100 prototypes, as a model's do; the model itself is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from interpret.bundle.bundle import Bundle, write_parts
from interpret.edit.gallery_update import update_gallery
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.vector_index import exact_distances

CLASSES, BLOCK, SHARD = 100, 100_000, 1_000_000
MODEL = Path("models/digits-dpnp")
K, QUERIES, COMPARED = 10, 1000, 100


def rows(count: int, dim: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Embeddings and labels, block by block."""
    centres = np.random.default_rng(0).standard_normal((CLASSES, dim))
    centres *= 40 / np.linalg.norm(centres, axis=1, keepdims=True)
    random = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        labels = random.integers(0, CLASSES, min(BLOCK, count - start))
        noise = random.standard_normal((len(labels), dim), np.float32) * (16 / dim**0.5)
        yield (centres[labels] + noise).astype(np.float32), labels


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


def empty_bundle(path: Path, dim: int) -> Bundle:
    """A bundle without a gallery and without a model, of many classes."""
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
        gallery=[],
        weights=b"",
    )


def memory() -> tuple[float, float]:
    """MB of this process that are its own, and those of mapped files."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def measure(path: Path) -> dict[str, Any]:
    """Load a bundle's gallery and ask it."""
    before = memory()
    start = time.perf_counter()
    bundle = Bundle.load(path)
    gallery = Gallery(bundle)
    ready = time.perf_counter() - start
    loaded = memory()
    [(queries, _)] = rows(QUERIES, bundle.manifest.embedding_dim, 2)
    times = []
    for query in queries:
        start = time.perf_counter()
        gallery.search(query[None], K)
        times.append(1000 * (time.perf_counter() - start))
    asked = memory()
    truth = exact_distances(queries[:COMPARED], bundle.embeddings, K)
    found = gallery.search(queries[:COMPARED], K).distances
    search = bundle.manifest.search
    return {
        "kind": "exact" if search is None else f"{search.kind} × {search.probes}",
        "ready s": ready,
        "query ms": median(times),
        "99 % ms": float(np.quantile(times, 0.99)),
        "recall": float((found <= truth[:, -1:] * (1 + 1e-5)).mean()),
        "own MB": loaded[0] - before[0],
        "own MB, asked": asked[0] - before[0],
        "mapped MB, asked": asked[1] - before[1],
        "vectors MB": bundle.embeddings.nbytes / 2**20,
    }


def build(folder: Path, dim: int) -> None:
    """Import the shards; prints the seconds and the largest memory of its own on the way."""
    import threading

    bundle, most, done = empty_bundle(folder / "empty", dim), [0.0], threading.Event()
    before = memory()[0]

    def watch() -> None:
        while not done.wait(0.1):
            most[0] = max(most[0], memory()[0] - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    update_gallery(bundle, {}, [], folder / "full", shards=folder / "shards")
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    print(json.dumps({"import s": seconds, "import MB": most[0]}))


def alone(*words: object) -> dict[str, Any]:
    """What this file prints in a process of its own."""
    line = [sys.executable, "-m", "tests.benchmarks.galleries", *map(str, words)]
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def draw(results: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(1, 4, figsize=(16, 4), layout="constrained")
    sizes = [each["rows"] for each in results]
    for axis, names in zip(
        axes,
        (
            ("query ms", "99 % ms"),
            ("ready s", "import s"),
            ("own MB, asked", "mapped MB, asked", "vectors MB"),
            ("recall",),
        ),
        strict=True,
    ):
        for name in names:
            axis.plot(sizes, [each[name] for each in results], "o-", label=name)
        axis.set(xscale="log", xlabel="rows of the gallery")
        if names != ("recall",):
            axis.set(yscale="log")
        axis.legend(frameon=False)
    figure.savefig(path)


def main(
    largest: int = 1_000_000,
    smallest: int = 10_000,
    dim: int = 10,
    plot: Path | None = None,
    folder: Path | None = None,
    measured: Annotated[Path | None, typer.Option(hidden=True)] = None,
    built: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    if measured is not None:
        print(json.dumps(measure(measured)))
        return
    if built is not None:
        build(built, dim)
        return
    results, size = [], smallest
    while size <= largest:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            write_shards(Path(place) / "shards", size, dim)
            done = alone("--built", place, "--dim", dim)
            found = alone("--measured", Path(place) / "full")
        results.append({"rows": size} | done | found)
        texts = [
            f"{name} {value:,.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in results[-1].items()
        ]
        print(", ".join(texts), flush=True)
        size = size * 10 if size * 10 <= largest or size == largest else largest
    if plot is not None:
        draw(results, plot)


if __name__ == "__main__":
    typer.run(main)
