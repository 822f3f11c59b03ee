"""How soon each kind of bad request is refused: each within 0.2 seconds, at the median.

    python -m tests.benchmarks.serving_refusals BUNDLE [--requests 20]

One connection, one request at a time. Leave the machine idle otherwise.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import typer

from tests.serving.bad_requests import BAD
from tests.serving.servers import serve

TARGET = 0.2  # seconds, the median of each kind


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    requests: int = 20,
) -> None:
    slow = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "log", DPNP_BUNDLE=bundle.absolute()) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        for name, (path, sent, *_) in BAD.items():
            seconds = []
            for _ in range(requests):
                start = time.perf_counter()
                status = client.post(path, **sent).status_code
                seconds.append(time.perf_counter() - start)
            print(f"{name:24} {status}  {1000 * median(seconds):7.2f} ms")
            if median(seconds) > TARGET:
                slow.append(name)
    if slow:
        print(f"over {TARGET} s:", ", ".join(slow))
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
