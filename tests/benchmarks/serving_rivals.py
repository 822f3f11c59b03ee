"""/predict against FastAPI with uvicorn and against LitServe around the same network.

    python -m tests.benchmarks.serving_rivals BUNDLE [--seconds 5] [--rounds 3] [--connections 16]

The same picture from the same client on the same cores: the servers take turns, and those that
wait are stopped. Printed are medians over the rounds. On a machine with other work, start it with
`taskset -c N`, so that all that is compared shares one core; then only the ratios count. The
milliseconds of a CPU leave out what the client takes.

FastAPI answers twice: `plain` with class and probabilities, `same` with what the service answers.
The rivals come with `pip install -e '.[benchmarks]'`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import httpx
import psutil
import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks import cores
from tests.benchmarks.load import cpu_seconds, load, picture, post_bytes
from tests.serving.servers import ROOT, free_port, serve

OURS = "service"
RIVALS = {
    "FastAPI, plain": ("tests.benchmarks.rival_fastapi", "plain"),
    "FastAPI, same": ("tests.benchmarks.rival_fastapi", "same"),
    "LitServe": ("tests.benchmarks.rival_litserve",),
}
CONNECTIONS = (1, 8, 16, 32)


class Measured(NamedTuple):
    """One round of a server."""

    rate: float  # answers a second
    p50: float  # milliseconds
    p95: float
    cpu: float  # milliseconds of a CPU an answer


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    seconds: Annotated[float, typer.Option(help="of each round")] = 5,
    rounds: int = 3,
    connections: Annotated[list[int] | None, typer.Option(help="default: 1, 8, 16, 32")] = None,
) -> None:
    missing = [name for name in ("fastapi", "litserve") if find_spec(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}; run pip install -e '.[benchmarks]'")
        raise typer.Exit(2)
    print(cores.told())
    found: dict[tuple[int, str], list[Measured]] = defaultdict(list)
    with ExitStack() as stack:
        running: dict[str, tuple[str, psutil.Process]] = {}
        for name in (OURS, *RIVALS):
            with cores.on(cores.SERVER):
                running[name] = stack.enter_context(serving(name, bundle.absolute()))
            pause(running[name][1])
        with cores.on(cores.LOAD):
            for number in connections or CONNECTIONS:
                for turn in range(rounds):
                    names = list(running) if turn % 2 == 0 else list(reversed(running))
                    for name in names:
                        found[number, name].append(measured(*running[name], number, seconds))
    Console(width=110).print(table(found))


def measured(url: str, process: psutil.Process, connections: int, seconds: float) -> Measured:
    """A round, after a fifth of its time unmeasured."""
    go_on(process)
    request = post_bytes(url, "/predict", picture())
    load(url, request, connections=connections, seconds=seconds / 5)
    before = cpu_seconds(process.pid)
    result = load(url, request, connections=connections, seconds=seconds)
    cpu = cpu_seconds(process.pid) - before
    pause(process)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"{url} answers {dict(result.statuses)}")
    answered = result.statuses[200]
    return Measured(
        result.rate, result.percentile(0.5), result.percentile(0.95), 1000 * cpu / answered
    )


def table(found: dict[tuple[int, str], list[Measured]]) -> Table:
    """Each server at each number of connections, and the service's lead."""
    made = Table(
        title="/predict", caption="by rate, by CPU: how many times as fast the service is by either"
    )
    made.add_column("connections", justify="right")
    made.add_column("server", no_wrap=True)
    for heading in ("answers/s", "p50 ms", "p95 ms", "CPU ms", "by rate", "by CPU"):
        made.add_column(heading, justify="right", no_wrap=True)
    middle = {
        key: Measured(*(median(column) for column in zip(*rows, strict=True)))
        for key, rows in found.items()
    }
    for (number, name), own in middle.items():
        ours = middle[number, OURS]
        lead = (f"{ours.rate / own.rate:.2f}", f"{own.cpu / ours.cpu:.2f}")
        made.add_row(
            *(str(number), name, f"{own.rate:.1f}", f"{own.p50:.1f}", f"{own.p95:.1f}"),
            *(f"{own.cpu:.2f}", *(("", "") if name == OURS else lead)),
        )
    return made


def pause(process: psutil.Process) -> None:
    """Stop a server and all that it started: it takes no time from the others."""
    for each in (process, *process.children(recursive=True)):
        each.suspend()


def go_on(process: psutil.Process) -> None:
    """Wake a server that was stopped."""
    for each in (*process.children(recursive=True), process):
        each.resume()


@contextmanager
def serving(name: str, bundle: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a ready server, and its process."""
    if name == OURS:
        with (
            tempfile.TemporaryDirectory() as folder,
            serve(Path(folder) / "log", DPNP_BUNDLE=bundle) as server,
        ):
            process = psutil.Process(server.process.pid)
            yield server.url, process
            go_on(process)
        return
    port = free_port()
    module, *words = RIVALS[name]
    command = [sys.executable, "-m", module, str(bundle), str(port), *words]
    # A session of its own, as `serve` has: the kernel shares a core between sessions.
    rival = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(name, f"{url}/health", rival)
        yield url, psutil.Process(rival.pid)
    finally:
        for child in psutil.Process(rival.pid).children(recursive=True):
            child.kill()
        rival.kill()
        rival.wait()


def wait_until_ready(name: str, health: str, process: subprocess.Popen[bytes]) -> None:
    """Ask until the server answers; raises RuntimeError for one that ends."""
    while process.poll() is None:
        try:
            if httpx.get(health).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{name} did not start")


if __name__ == "__main__":
    typer.run(main)
