"""How soon `bentoml serve` is ready, what memory it takes, and how fast it answers.

    python -m tests.benchmarks.serving_startup [BUNDLE] [--requests 500]

Over the toy bundle of the tests without BUNDLE, so that the service itself is measured, not a
network. One connection, one request at a time. Leave the machine idle otherwise.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import psutil
import typer
from PIL import Image

from tests.conftest import write_toy_bundle
from tests.serving.servers import encode, serve, upload


def main(
    bundle: Annotated[Path | None, typer.Argument(help="default: the tests' toy")] = None,
    requests: int = 500,
) -> None:
    picture = encode(Image.effect_noise((32, 32), 60).convert("RGB"))
    with tempfile.TemporaryDirectory() as folder:
        path = bundle.absolute() if bundle else write_toy_bundle(Path(folder) / "toy").path
        with (
            serve(Path(folder) / "log", DPNP_BUNDLE=path) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            print(f"ready after           {server.seconds_to_ready:6.2f} s  (target 6)")
            for route in ("/predict", "/explain"):
                times = latencies(client, route, picture, requests)
                print(f"{route}, median     {median(times) * 1000:6.2f} ms")
                print(f"{route}, 99th in 100 {times[len(times) * 99 // 100] * 1000:5.2f} ms")
            for name, process in processes(server.process.pid):
                print(f"memory of the {name:6}  {process.memory_info().rss / 2**20:6.0f} MB")


def latencies(client: httpx.Client, route: str, picture: bytes, number: int) -> list[float]:
    """Seconds of `number` requests, sorted; a tenth as many go before, unmeasured."""
    times = []
    for i in range(number + number // 10):
        start = time.perf_counter()
        response = client.post(route, files=upload(picture))
        seconds = time.perf_counter() - start
        response.raise_for_status()
        if i >= number // 10:
            times.append(seconds)
    return sorted(times)


def processes(pid: int) -> list[tuple[str, psutil.Process]]:
    parent = psutil.Process(pid)
    return [("parent", parent), *(("worker", child) for child in parent.children(recursive=True))]


if __name__ == "__main__":
    typer.run(main)
