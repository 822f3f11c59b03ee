"""The service against the bare ONNX Runtime loop on the same cores; and 200 connections at once.

    python -m tests.benchmarks.serving_throughput BUNDLE [--seconds 60] [--connections 16]

The load comes from a core of its own. Leave the machine idle otherwise.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import psutil
import typer

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor
from tests.benchmarks import cores
from tests.benchmarks.load import Result, load, picture, post_bytes
from tests.serving.servers import Server, serve

OVERLOAD = 200  # connections


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    seconds: float = 60,
    connections: int = 16,
) -> None:
    print(cores.told())
    with cores.on(cores.SERVER):
        single, batched = (bare(bundle, size, min(seconds, 10)) for size in (1, 16))
    print(f"bare loop, one picture     {1 / single:8.1f} images/s, {1000 * single:.2f} ms")
    print(f"bare loop, batches of 16   {1 / batched:8.1f} images/s")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with cores.on(cores.SERVER):
            server = stack.enter_context(serve(folder / "log", DPNP_BUNDLE=bundle.absolute()))
        with cores.on(cores.LOAD):
            measure(server, seconds, connections, single)
            overload(server)


def measure(server: Server, seconds: float, connections: int, single: float) -> None:
    """Rates and latencies of /predict and /explain."""
    rates = {}
    for route in ("/predict", "/explain"):
        request = post_bytes(server.url, route, picture())
        load(server.url, request, connections=connections, seconds=min(seconds, 3))
        many = load(server.url, request, connections=connections, seconds=seconds)
        alone = load(server.url, request, connections=1, seconds=min(seconds, 10))
        rates[route] = many.rate
        print(f"{route}, {connections} connections    {told(many)}")
        print(f"{route}, one connection     {told(alone)}")
        if route == "/predict":
            print(f"  throughput over the bare loop    {many.rate * single:6.2f}  (target 0.85)")
            extra = alone.percentile(0.5) - 1000 * single
            print(f"  median over bare inference       {extra:6.2f} ms  (target 3)")
    print(
        f"/explain costs                     {rates['/predict'] / rates['/explain']:6.2f} /predict"
    )
    for process in psutil.Process(server.process.pid).children():
        print(f"memory of the worker               {process.memory_info().rss / 2**20:6.0f} MB")


def overload(server: Server) -> None:
    """Far more connections than there is room for, then one request."""
    request = post_bytes(server.url, "/predict", picture())
    result = load(server.url, request, connections=OVERLOAD, seconds=10)
    refused = result.statuses[429] + result.statuses[503]
    print(f"/predict, {OVERLOAD} connections   {told(result)}")
    print(f"  refusals with Retry-After        {result.retry_after} of {refused}")
    start = time.perf_counter()
    after = load(server.url, request, connections=1, seconds=0.01)
    assert set(after.statuses) == {200}, after.statuses
    print(f"  first answer afterwards          {1000 * (time.perf_counter() - start):6.2f} ms")


def told(result: Result) -> str:
    """One line."""
    statuses = ", ".join(f"{n} × {status}" for status, n in sorted(result.statuses.items()))
    return (
        f"{result.rate:7.1f}/s  p50 {result.percentile(0.5):.2f}  "
        f"p99 {result.percentile(0.99):.2f} ms  ({statuses})"
    )


def bare(bundle: Path, size: int, seconds: float) -> float:
    """Seconds per picture of inference alone, the median over batches of `size`."""
    predictor = Predictor(Bundle.load(bundle), threads=len(cores.SERVER), device="cpu")
    side = predictor.input_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        predictor(pixels)
        times.append(time.perf_counter() - start)
    return median(times[len(times) // 10 :]) / size


if __name__ == "__main__":
    typer.run(main)
