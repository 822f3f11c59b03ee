"""/predict against FastAPI with uvicorn and against LitServe around the same model.

    python -m tests.benchmarks.serving_frameworks BUNDLE [--seconds 20] [--connections 16]

Each server in turn on the same cores, the load from another one. Leave the machine idle otherwise.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from tests.benchmarks import cores
from tests.benchmarks.load import cpu_seconds, load, picture, post_bytes
from tests.benchmarks.serving_throughput import told
from tests.serving.servers import ROOT, free_port, serve


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    seconds: float = 20,
    connections: int = 16,
) -> None:
    print(cores.told())
    rates = {}
    for name in ("service", "fastapi", "litserve"):
        with ExitStack() as stack:
            with cores.on(cores.SERVER):
                url, pid = stack.enter_context(serving(name, bundle.absolute()))
            with cores.on(cores.LOAD):
                request = post_bytes(url, "/predict", picture())
                load(url, request, connections=connections, seconds=min(seconds, 3))
                before = cpu_seconds(pid)
                many = load(url, request, connections=connections, seconds=seconds)
                cpu = (cpu_seconds(pid) - before) / max(many.statuses[200], 1)
                alone = load(url, request, connections=1, seconds=min(seconds, 10))
        if set(many.statuses) | set(alone.statuses) != {200}:
            raise RuntimeError(f"{name} answers {dict(many.statuses)}")
        rates[name] = many.rate
        print(
            f"{name:9} {connections} connections  {told(many)}  {1000 * cpu:.2f} ms of a CPU each"
        )
        print(f"{name:9} one connection   {told(alone)}")
    for name in ("fastapi", "litserve"):
        print(f"service over {name:9} {rates['service'] / rates[name]:.2f}")


@contextmanager
def serving(name: str, bundle: Path) -> Iterator[tuple[str, int]]:
    """The address of a ready server, and its process."""
    if name == "service":
        with (
            tempfile.TemporaryDirectory() as folder,
            serve(Path(folder) / "log", DPNP_BUNDLE=bundle) as server,
        ):
            yield server.url, server.process.pid
        return
    port = free_port()
    command = [sys.executable, "-m", f"tests.benchmarks.{name}_server", str(bundle), str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{name} did not start")
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url, process.pid
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


if __name__ == "__main__":
    typer.run(main)
