"""The commands that read a gallery, started again and again: each must end with its own exit code.

    python -m tests.robustness.exits [--runs 1000] [--bundle models/digits-dpnp]

Threads that a library leaves behind may abort a process at the interpreter's end, once in many
runs, when its work is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from interpret.bundle.bundle import Bundle
from tests.serving.servers import ROOT

PICTURE = ROOT / "docs" / "digit.png"
DPNP = Path(sys.executable).with_name("dpnp")
PYTHON = (sys.executable, "-c")
LOAD = "import sys; from interpret.bundle.bundle import Bundle; Bundle.load(sys.argv[1])"


def main(
    runs: int = 1000,
    bundle: Annotated[Path, typer.Option(help="a bundle of digits")] = ROOT / "models/digits-dpnp",
) -> None:
    outcomes = Counter[tuple[str, int]]()
    with tempfile.TemporaryDirectory() as folder:
        for name, command in islice(cycle(commands(bundle, Path(folder))), runs):
            outcomes[name, exit_code(command)] += 1
    for (name, code), number in sorted(outcomes.items()):
        print(f"{number:6,} × {code:4}  {name}")
    if any(code for _, code in outcomes):
        raise typer.Exit(1)


def commands(bundle: Path, folder: Path) -> Iterator[tuple[str, list[object]]]:
    """Each command with its name; the cheapest one reads the gallery and nothing more."""
    shards = folder / "shards"
    write_shard(Bundle.load(bundle), shards)
    yield "load", [*PYTHON, LOAD, bundle]
    yield "similar", [DPNP, "similar", bundle, "--prototype", "3", "--json"]
    yield "explain", [DPNP, "explain", bundle, PICTURE, "--out", folder / "why.png"]
    yield "predict --out", [DPNP, "predict", bundle, PICTURE, "--out", folder / "table.parquet"]
    update = [DPNP, "update-gallery", bundle, "--from", shards, "--out", folder / "new", "--force"]
    yield "update-gallery --from", update


def write_shard(bundle: Bundle, folder: Path) -> None:
    """A few rows of the gallery, as a shard to add."""
    folder.mkdir()
    names = bundle.manifest.class_names
    labels = [names[label] for label in bundle.gallery.labels[:50]]
    columns = {
        "embedding": bundle.embeddings[:50].tolist(),
        "label": labels,
        "source": [f"again/{i}.png" for i in range(50)],
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")


def exit_code(command: list[object]) -> int:
    """How a command ends; it is negative for one that a signal ended."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{command}: {done.returncode}\n{done.stderr}", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    typer.run(main)
