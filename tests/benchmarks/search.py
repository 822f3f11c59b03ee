"""FAISS exact search for one query, k = 10, by the size of the gallery and of the embedding.

python -m tests.benchmarks.search [--largest 1000000]
"""

from __future__ import annotations

import time
from statistics import median

import faiss
import numpy as np
import typer


def main(largest: int = 1_000_000, rounds: int = 20) -> None:
    faiss.omp_set_num_threads(1)  # as in the service
    for size in (3, 10, 512):
        for count in (10_000, 100_000, 1_000_000):
            if count > largest:
                continue
            index = faiss.IndexFlatL2(size)
            generator = np.random.default_rng(0)
            for _ in range(10):  # in parts: a million of 512 take 2 GB once, not three times
                index.add(generator.standard_normal((count // 10, size), dtype=np.float32))
            times = []
            for query in generator.standard_normal((rounds, 1, size), dtype=np.float32):
                start = time.perf_counter()
                index.search(query, 10)
                times.append(time.perf_counter() - start)
            print(f"{count:9,} × {size:3}: {1000 * median(times):8.2f} ms")


if __name__ == "__main__":
    typer.run(main)
