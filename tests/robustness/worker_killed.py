"""One of two workers is killed under load: the other answers on, and a new one takes its place.

python -m tests.robustness.worker_killed BUNDLE [--seconds 20]
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from tests.benchmarks.load import picture
from tests.serving.servers import Server, serve, upload


def main(bundle: Annotated[Path, typer.Argument(help="models/NAME")], seconds: float = 20) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "log", DPNP_BUNDLE=bundle.absolute(), DPNP_WORKERS=2) as server,
    ):
        outcomes, restarted = kill_one(server, seconds)
    print(dict(outcomes), f"second worker again after {restarted:.1f} s")
    if set(outcomes) - {"200", "cut"} or outcomes["cut"] > 4:
        raise typer.Exit(1)


def kill_one(server: Server, seconds: float, clients: int = 4) -> tuple[Counter[str], float]:
    """Answers by status ("cut": the connection broke), and seconds until two workers run again."""
    parent, outcomes, done = psutil.Process(server.process.pid), Counter[str](), threading.Event()
    while len(parent.children()) < 2 or server.log.count("is ready on") < 2:
        time.sleep(0.1)

    def traffic() -> None:
        many = [("image", picture())] * 3
        asked = cycle([("/predict", upload(picture())), ("/v1/predict/batch", many)])
        while not done.is_set():
            try:
                path, files = next(asked)
                response = httpx.post(f"{server.url}{path}", files=files, timeout=120)
                outcomes[str(response.status_code)] += 1
            except httpx.TransportError:
                outcomes["cut"] += 1

    threads = [threading.Thread(target=traffic) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 4)
    killed = parent.children()[0]
    killed.kill()
    start = time.monotonic()
    while server.log.count("is ready on") < 3 and time.monotonic() - start < 300:
        time.sleep(0.1)
    restarted = time.monotonic() - start
    time.sleep(seconds / 4)
    done.set()
    for thread in threads:
        thread.join()
    return outcomes, restarted


if __name__ == "__main__":
    typer.run(main)
