"""`dpnp serve` from an empty folder: the real command line, BentoML and browser's requests."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from tests.serving.servers import RED, Server, environment, free_port, plain, serve, upload

DPNP = Path(sys.executable).parent / "dpnp"


@pytest.fixture(scope="module")
def piped(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "random.py").write_text("raise SystemExit('a file of the folder was imported')")
    (folder / "mine").symlink_to(toy_bundle.path)
    log = tmp_path_factory.mktemp("log") / "log"
    command = (DPNP, "serve", "mine", "--workers", "2")
    with serve(log, folder=folder, command=command, DPNP_THREADS=1) as running:
        yield running


def test_the_bundle_is_served_from_another_folder(piped: Server) -> None:
    answer = httpx.post(f"{piped.url}/predict", files=upload(plain(RED))).json()
    assert (answer["label"], answer["model"]["name"]) == ("red", "toy")


def test_the_first_line_is_the_address_and_all_lines_are_json_on_a_pipe(piped: Server) -> None:
    rows = [json.loads(line) for line in piped.log.rpartition("\n")[0].splitlines()]
    assert rows[0]["message"] == f"{piped.url}/ui/ is the explorer of toy"
    deadline = time.monotonic() + 30  # the second worker may still be starting
    while len({r["worker"] for r in rows}) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        rows = [json.loads(line) for line in piped.log.rpartition("\n")[0].splitlines()]
    assert {row["worker"] for row in rows} == {None, 1, 2}


def test_lines_for_people_on_a_terminal(toy_bundle: Bundle, tmp_path: Path) -> None:
    port = free_port()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        words = [str(DPNP), "serve", str(toy_bundle.path), "--port", str(port)]
        os.execve(words[0], words, environment())
    text, asked = "", False
    with suppress(OSError):  # EIO: the child has ended
        while select.select([terminal], [], [], 120)[0]:
            text += os.read(terminal, 65536).decode()
            if "is ready" in text and not asked:
                os.kill(child, signal.SIGTERM)
                asked = True
    os.waitpid(child, 0)
    os.close(terminal)
    lines = text.splitlines()
    assert lines[0] == f"http://127.0.0.1:{port}/ui/ is the explorer of toy"
    assert any("  bundle toy (" in line for line in lines)
    assert "{" not in text


def refused(folder: Path, *words: object, **settings: object) -> str:
    done = subprocess.run(
        [str(word) for word in (DPNP, "serve", *words)],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


def test_what_is_wrong_is_one_line(toy_bundle: Bundle, tmp_path: Path) -> None:
    assert "none" in refused(tmp_path, "none")
    assert "--host example.com: not an IP" in refused(
        tmp_path, toy_bundle.path, "--host", "example.com"
    )
    assert "DPNP_MAX_BATCH: Input" in refused(tmp_path, toy_bundle.path, DPNP_MAX_BATCH=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}: Address already in use" in refused(
            tmp_path, toy_bundle.path, "--port", port
        )


def test_more_options_go_to_bentoml(toy_bundle: Bundle, tmp_path: Path) -> None:
    words = (DPNP, "serve", toy_bundle.path, "--port", free_port(), "--", "--no-such-option")
    done = subprocess.run(
        [str(word) for word in words], cwd=tmp_path, env=environment(), capture_output=True
    )
    assert done.returncode == 2
    assert b"No such option" in done.stderr + done.stdout
