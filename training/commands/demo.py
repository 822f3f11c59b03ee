"""`make demo`: train on handwritten digits, serve the bundle, post a held-out picture, stop.

Everything lands in runs/demo. Real parts throughout: `dpnp train`, `bentoml serve`, HTTP.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from interpret.trust.verdict import WORDS
from training.data.datasets import load_data

FOLDER = Path("runs/demo")
START_TIMEOUT = 60.0  # seconds until the service must be ready
# Some 25 s on two CPU cores, for about 98 % of the test pictures.
TRAIN = (
    "train --data digits --backbone small --embedding-dim 3 --image-size 24 --epochs 12 "
    "--batch-size 32 --lr 0.05"
)


def main() -> None:
    """Run the demo; exits with the code of the step that fails."""
    console = Console()
    bundle, picture = FOLDER / "digits", FOLDER / "held-out.png"
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)

    console.rule("Train on scikit-learn's handwritten digits, export a bundle")
    _dpnp(*TRAIN.split(), "--out", str(bundle), "--run", str(FOLDER / "run"))

    test = load_data("digits").splits["test"]
    row = len(test) // 2
    test.open_picture(row).save(picture)

    console.rule("Serve the bundle and post a picture that training never saw")
    with served(bundle) as address:
        curl = f"curl -F image=@{picture} {address}/predict"
        console.print(curl, soft_wrap=True)
        with picture.open("rb") as file:
            response = httpx.post(f"{address}/predict", files={"image": file})
        response.raise_for_status()
        answer = response.json()
    console.print_json(data=answer)
    console.print(_table(answer))
    console.print(f"True label: {test.labels[row]}")

    console.rule("Explain it")
    _dpnp("explain", str(bundle), str(picture), "--out", str(FOLDER / "explanation.png"))
    console.print(f"The bundle: {bundle}\nThe figure: {FOLDER / 'explanation.png'}")


@contextmanager
def served(bundle: Path) -> Iterator[str]:
    """The address of `bentoml serve` over a bundle on a free port; stopped at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = bundle.with_name("server.log")
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", "--port", str(port)]
    environment = os.environ | {"DPNP_BUNDLE": str(bundle.resolve())}
    with log.open("w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(server, address, log)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    sys.exit(f"the service did not start; its log: {log}\n{log.read_text()[-2000:]}")


def _dpnp(*arguments: str) -> None:
    code = subprocess.run([sys.executable, "-m", "training", *arguments]).returncode
    if code:
        sys.exit(code)


def _table(answer: dict[str, Any]) -> Table:
    said = WORDS[answer["verdict"]]
    if answer["verdict"] != "none_of_these":
        said = f"“{answer['label']}” ({answer['probability']:.1%}, {said})"
    table = Table(title=f"{said}, margin {answer['margin']:.1f}")
    for column in ("prototype", "distance", "angle", ""):
        table.add_column(column, justify="left" if column in ("prototype", "") else "right")
    for i, near in enumerate(answer["prototypes"]):
        role = ("positive", "negative")[i] if i < 2 else ""
        table.add_row(near["label"], f"{near['distance']:.1f}", f"{near['angle_deg']:.1f}°", role)
    return table


if __name__ == "__main__":
    main()
