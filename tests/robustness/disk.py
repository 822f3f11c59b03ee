"""The disk is full, then read-only, while a new bundle is to come: the old one serves on, nothing
is lost, and once there is room the new one is served. A full disk keeps no correction, says so,
and keeps the next one.

    python -m tests.robustness.disk BUNDLE

The disk is a small one in memory, in a name space of its own; that takes Linux's `unshare`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import httpx
import typer

from interpret.bundle.bundle import Bundle
from tests.benchmarks.load import picture
from tests.serving.servers import Server, serve, upload

INSIDE = "DPNP_TEST_DISK"
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
TOKEN = "a-token-for-this-test-alone"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def possible() -> bool:
    """Whether this system lets us mount a disk in memory."""
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def main(bundle: Annotated[Path, typer.Argument(help="models/NAME")]) -> None:
    if INSIDE not in os.environ:
        command = [*UNSHARE, sys.executable, "-m", "tests.robustness.disk", str(bundle)]
        raise typer.Exit(subprocess.run(command, env=os.environ | {INSIDE: "1"}).returncode)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        disk = stack.enter_context(disk_in_memory(folder / "disk"))
        notes = stack.enter_context(disk_in_memory(folder / "notes", "size=1m"))
        live = Path(shutil.copytree(bundle, disk / "live"))
        size = 3 * shutil.disk_usage(disk).used // 2  # room for one bundle and a half
        mount("-o", f"remount,size={size}", str(disk))
        settings = {
            "DPNP_BUNDLE": live,
            "DPNP_API_TOKEN": TOKEN,
            "DPNP_FEEDBACK": notes / "feedback.db",
        }
        with serve(folder / "log", **settings) as server:
            corrections(server, notes)
            outcomes = faults(server, live, size)
    print("predictions meanwhile:", dict(outcomes))
    if set(outcomes) != {200}:
        raise typer.Exit(1)


def corrections(server: Server, notes: Path) -> None:
    """Correct answers before, while and after the disk is full."""

    def correct() -> httpx.Response:
        label = httpx.get(f"{server.url}/map", headers=BEARER).json()["class_names"][0]
        return httpx.post(
            f"{server.url}/feedback",
            files=upload(picture()),
            data={"label": label},
            headers=BEARER,
            timeout=60,
        )

    assert correct().json()["corrections"] == 1
    with (notes / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(1024))
    codes = [correct().status_code for _ in range(5)]
    assert codes[-1] == 503, codes
    answer = correct().json()["error"]
    assert answer["code"] == "feedback_unwritable", answer
    assert httpx.post(
        f"{server.url}/predict", files=upload(picture()), headers=BEARER, timeout=60
    ).is_success
    (notes / "filler").unlink()
    assert correct().json()["corrections"] == 2 + codes.count(200)
    print(answer["message"])


def faults(server: Server, live: Path, size: int) -> Counter[int]:
    """Do all of it under traffic, and return the predictions' statuses."""
    outcomes, done, disk = Counter[int](), threading.Event(), live.parent

    def traffic() -> None:
        while not done.is_set():
            answer = httpx.post(
                f"{server.url}/predict", files=upload(picture()), headers=BEARER, timeout=60
            )
            outcomes[answer.status_code] += 1

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        old = Bundle.load(live).manifest.fingerprint
        update(live, f"{live}: No space left on device")
        unharmed(server, live, old)

        model = (live / "model.onnx").read_bytes()
        (live / "model.onnx").write_bytes(model[: len(model) // 2])  # a copy that broke off
        assert reload(server).status_code == 409
        (live / "model.onnx").write_bytes(model)
        unharmed(server, live, old)

        mount("-o", "remount,ro", str(disk))
        update(live, "Read-only file system")
        unharmed(server, live, old)

        mount("-o", f"remount,rw,size={4 * size}", str(disk))
        update(live, None)
        new = reload(server).json()["model"]["fingerprint"]
        assert new == Bundle.load(live).manifest.fingerprint != old
        print("with room again: the new bundle is served")
    finally:
        done.set()
        thread.join()
    return outcomes


def update(live: Path, problem: str | None) -> None:
    """Write the bundle anew without one gallery picture; it must fail in one line, or work."""
    first = str(Bundle.load(live).gallery.ids[0])
    command = [Path(sys.executable).parent / "dpnp", "update-gallery", live]
    done = subprocess.run(
        [*command, "--remove", first, "--out", live, "--force"], capture_output=True, text=True
    )
    if problem is None:
        assert done.returncode == 0, done.stderr
        return
    last = done.stderr.splitlines()[-1]
    print(last)
    assert done.returncode == 2, done.stderr
    assert last.startswith("error: "), last
    assert problem in last, last


def unharmed(server: Server, live: Path, fingerprint: str) -> None:
    """The bundle is whole, nothing lies beside it, and the service serves it."""
    assert Bundle.load(live).manifest.fingerprint == fingerprint
    assert list(live.parent.iterdir()) == [live]
    answer = reload(server)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"]["fingerprint"] == fingerprint


def reload(server: Server) -> httpx.Response:
    return httpx.post(f"{server.url}/admin/reload", headers=BEARER, timeout=60)


@contextmanager
def disk_in_memory(folder: Path, options: str = "mode=700") -> Iterator[Path]:
    """A small disk, mounted at a new folder."""
    folder.mkdir()
    mount("-o", options, "-t", "tmpfs", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    typer.run(main)
