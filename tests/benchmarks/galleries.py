"""A gallery of a size: import from Parquet, start, memory, time of a query, and recall.

`cost_growth` measures galleries of many sizes with it. The rows are written as Parquet shards and
imported as `dpnp update-gallery --from` does. The gallery is then loaded and asked in a process of
its own, whose memory is that of loading and queries alone. The rows lie around 100 prototypes, as
a model's do; the model itself is left out.
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
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from interpret.bundle.bundle import Bundle, write_parts
from interpret.edit.gallery_update import update_gallery
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.vector_index import exact_distances

CLASSES, BLOCK, SHARD = 100, 100_000, 1_000_000
MODEL = Path("models/digits-dpnp")
K, QUERIES, COMPARED, ROUNDS = 10, 1000, 100, 3


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
    """Load a bundle's gallery and ask it, in time of a CPU: other work on it does not count."""
    before = memory()
    start = time.process_time()
    bundle = Bundle.load(path)
    gallery = Gallery(bundle)
    ready = [time.process_time() - start]
    loaded = memory()
    [(queries, _)] = rows(QUERIES, bundle.manifest.embedding_dim, 2)
    times = []
    for query in queries:
        start = time.process_time()
        gallery.search(query[None], K)
        times.append(1000 * (time.process_time() - start))
    asked = memory()
    for _ in range(ROUNDS - 1):
        start = time.process_time()
        Gallery(Bundle.load(path))
        ready.append(time.process_time() - start)
    truth = exact_distances(queries[:COMPARED], bundle.embeddings, K)
    found = gallery.search(queries[:COMPARED], K).distances
    search = bundle.manifest.search
    return {
        "kind": "exact" if search is None else f"{search.kind} × {search.probes}",
        "ready CPU s": min(ready),
        "query ms": median(times),
        "99 % ms": float(np.quantile(times, 0.99)),
        "recall": float((found <= truth[:, -1:] * (1 + 1e-5)).mean()),
        "own MB": max(loaded[0], asked[0]) - before[0],
        "mapped MB": asked[1] - before[1],
        "vectors MB": bundle.embeddings.nbytes / 2**20,
    }


def build(folder: Path, dim: int) -> None:
    """Import the shards in `folder`; prints seconds of a CPU and the largest memory of its own."""
    import threading

    bundle, most, done = empty_bundle(folder / "empty", dim), [0.0], threading.Event()
    before = memory()[0]

    def watch() -> None:
        while not done.wait(0.1):
            most[0] = max(most[0], memory()[0] - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    update_gallery(bundle, {}, [], folder / "full", shards=folder / "shards")
    seconds = time.process_time() - start
    done.set()
    watcher.join()
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


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(json.dumps(measure(Path(sys.argv[2]))))
