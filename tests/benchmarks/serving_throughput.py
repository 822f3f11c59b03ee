"""The service against the bare ONNX Runtime loop on the same cores; and 200 connections at once.

    python -m tests.benchmarks.serving_throughput BUNDLE [--seconds 60] [--connections 16]
    python -m tests.benchmarks.serving_throughput BUNDLE --workers 1 --workers 2

The load comes from a core of its own. Leave the machine idle for figures of time. Beside them
stand the milliseconds of a CPU that the service uses for a request, and the loop for a picture:
these can be compared on a busy machine too, where both find its caches cold alike.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import numpy as np
import psutil
import typer

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor
from tests.benchmarks import cores
from tests.benchmarks.load import Result, cpu_seconds, load, picture, post_bytes
from tests.serving.servers import Server, serve

OVERLOAD = 200  # connections
BATCHES = (1, 8, 16)  # pictures of a bare inference


class Cost(NamedTuple):
    """What a picture takes."""

    seconds: float
    cpu: float  # seconds of a CPU


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    seconds: float = 60,
    connections: int = 16,
    workers: Annotated[list[int] | None, typer.Option(help="in turn; default: 1")] = None,
) -> None:
    print(cores.told())
    with cores.on(cores.SERVER):
        alone = {size: bare(bundle, size, min(seconds, 10)) for size in BATCHES}
    for size, cost in alone.items():
        print(
            f"bare loop, batches of {size:<8} {1 / cost.seconds:8.1f} images/s, "
            f"{1000 * cost.seconds:.2f} ms, {1000 * cost.cpu:.2f} ms of a CPU"
        )
    for number in workers or [1]:
        print(f"workers: {number}")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings = {"DPNP_BUNDLE": bundle.absolute(), "DPNP_WORKERS": number}
            with cores.on(cores.SERVER):
                server = stack.enter_context(serve(folder / "log", **settings))
            with cores.on(cores.LOAD):
                measure(server, seconds, connections, alone)
                overload(server)


def measure(server: Server, seconds: float, connections: int, bare: dict[int, Cost]) -> None:
    """Rates, latencies and CPU time of /predict and /explain; `bare` by the size of a batch."""
    rates, costs = {}, {}
    for route in ("/predict", "/explain"):
        request = post_bytes(server.url, route, picture())
        load(server.url, request, connections=connections, seconds=min(seconds, 3))
        many, cost = loaded(server, request, connections, seconds)
        alone, cost_alone = loaded(server, request, 1, min(seconds, 10))
        rates[route], costs[route] = many.rate, cost
        print(f"{route}, {connections} connections    {told(many)}  {1000 * cost:.2f} ms of a CPU")
        print(f"{route}, one connection     {told(alone)}  {1000 * cost_alone:.2f} ms of a CPU")
        if route == "/predict":
            for size, own in bare.items():
                print(
                    f"  over the bare loop, batches of {size:<2} {many.rate * own.seconds:6.2f} "
                    f"by rate; its CPU over a request's {own.cpu / cost:.2f}"
                )
            extra = alone.percentile(0.5) - 1000 * bare[1].seconds
            print(f"  median over bare inference       {extra:6.2f} ms")
    slower = rates["/predict"] / rates["/explain"]
    more = costs["/explain"] / costs["/predict"]
    print(f"/explain costs                     {slower:6.2f} /predict, of CPU {more:.2f}")
    for worker in workers_of(server):
        print(f"memory of a worker                 {worker.memory_info().rss / 2**20:6.0f} MB")


def loaded(
    server: Server, request: bytes, connections: int, seconds: float
) -> tuple[Result, float]:
    """The answers, and the seconds of a CPU that the service used for each."""
    before = cpu_seconds(server.process.pid)
    result = load(server.url, request, connections=connections, seconds=seconds)
    return result, (cpu_seconds(server.process.pid) - before) / max(result.statuses[200], 1)


def workers_of(server: Server) -> list[psutil.Process]:
    """The server's worker processes."""
    return psutil.Process(server.process.pid).children()


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


def bare(bundle: Path, size: int, seconds: float) -> Cost:
    """What a picture takes of inference alone, the median over batches of `size`."""
    predictor = Predictor(Bundle.load(bundle), threads=len(cores.SERVER), device="cpu")
    side = predictor.input_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter(), time.process_time()
        predictor(pixels)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, cpu = zip(*times[len(times) // 10 :], strict=True)
    return Cost(median(wall) / size, median(cpu) / size)


if __name__ == "__main__":
    typer.run(main)
