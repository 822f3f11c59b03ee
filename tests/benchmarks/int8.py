"""Images a second of an fp32 bundle and of its INT8 export.

    python -m tests.benchmarks.int8 BUNDLE INT8-BUNDLE [--rounds 20] [--threads N]

The two take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor


def main(
    fp32: Annotated[Path, typer.Argument(help="models/NAME")],
    int8: Annotated[Path, typer.Argument(help="made by dpnp export --int8")],
    rounds: int = 20,
    threads: int | None = None,
) -> None:
    predictors = [Predictor(Bundle.load(p), threads=threads, device="cpu") for p in (fp32, int8)]
    side = predictors[0].input_size
    for size in (1, 16):
        shape = (size, side, side, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        times: list[list[float]] = [[], []]
        for _ in range(rounds):
            for own, predictor in zip(times, predictors, strict=True):
                predictor(pixels)
                start = time.perf_counter()
                for _ in range(5):
                    predictor(pixels)
                own.append((time.perf_counter() - start) / 5)
        slow, fast = (size / median(own) for own in times)
        print(
            f"batch {size:2}: fp32 {slow:8.1f}, INT8 {fast:8.1f} images/s, "
            f"ratio {fast / slow:.2f}  (target 2.5)"
        )


if __name__ == "__main__":
    typer.run(main)
