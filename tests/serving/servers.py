"""Real servers for the tests, and pictures to send them."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from serving.telemetry.later import SECONDS

ROOT = Path(__file__).resolve().parents[2]
BENTOML = Path(sys.executable).parent / "bentoml"
TOKEN = "correct-horse-battery"
BEARER = {"authorization": f"Bearer {TOKEN}"}
RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    seconds_to_ready: float

    @property
    def log(self) -> str:
        time.sleep(2 * SECONDS)  # a line is written so much later at most
        return self.log_file.read_text()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def environment(**changes: object) -> dict[str, str]:
    """This process's environment without settings of its own, plus DPNP_… and BENTOML_…."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DPNP_", "BENTOML_"))}
    return kept | {"BENTOML_DO_NOT_TRACK": "true"} | {k: str(v) for k, v in changes.items()}


@contextmanager
def serve(
    log_file: Path,
    *,
    target: str = ".",
    folder: Path = ROOT,
    command: Sequence[object] | None = None,
    **settings: object,
) -> Iterator[Server]:
    """`bentoml serve TARGET`, or another command, in `folder`, ready; stopped with all its
    processes at the end. The command is given a free port.
    """
    port = free_port()
    start = time.monotonic()
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command or (BENTOML, "serve", target)] + ["--port", str(port)],
            cwd=folder,
            env=environment(**settings),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log_file)
        yield Server(url, process, log_file, time.monotonic() - start)
    finally:
        _stop(process)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + 300  # a busy machine starts it late
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{log_file.read_text()}")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the server is not ready:\n{log_file.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: see start_new_session
    process.wait()


def lines(server: Server, **wanted: object) -> list[dict[str, Any]]:
    """The lines of the log that have these values. A line is written after its answer is sent:
    when there is none yet, it is waited for.
    """
    deadline = time.monotonic() + 10
    while True:
        whole = server.log.rpartition("\n")[0].splitlines()  # the last one may be half written
        rows = [json.loads(line) for line in whole if line.startswith("{")]
        found = [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(colour: tuple[int, int, int]) -> bytes:
    """A PNG of one colour, of the toy model's input size."""
    return encode(Image.new("RGB", (4, 4), colour))


def upload(content: bytes, name: str = "picture.png", kind: str = "image/png") -> dict[str, object]:
    return {"image": (name, content, kind)}
