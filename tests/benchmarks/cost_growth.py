"""How cost grows: galleries, classes, image side, connections, workers, pictures of a batch job.

    python -m tests.benchmarks.cost_growth [AXIS…] --out DIR
    OMP_NUM_THREADS=1 taskset -c 1 python -m tests.benchmarks.cost_growth gallery --out docs/cost

Without AXIS all axes are measured. Each size is measured in a process of its own and appended as a
row to DIR/AXIS.csv; sizes that are there already are skipped, so a run that was cut goes on. Then
DIR/AXIS.svg is drawn, and the exponents are printed as a table: the cost goes with the size to that
power, over the upper half of the sizes. Leave the machine idle, or give it a core of its own.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.cost_axes import AXES, Options, Row
from tests.benchmarks.cost_figure import cost_figure, exponents

AxisName = StrEnum("AxisName", {name: name for name in AXES})  # type: ignore[misc]


def rows_of(file: Path) -> list[Row]:
    """The rows of a CSV file by their sizes; none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="") as text:
        rows = [{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(text)]
    return sorted(rows, key=lambda row: float(row["size"]))


def append(file: Path, row: Row) -> None:
    """Add a row; the first one brings the header. Exits where the table has other columns."""
    new, before = not file.exists(), rows_of(file)
    if before and set(before[0]) != set(row):
        raise SystemExit(f"{file}: has other columns than are measured now; remove it")
    with file.open("a", newline="") as text:
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})


def measured_alone(axis: str, size: int, options: Options) -> Row:
    """A row, measured in a process of its own."""
    words = ["--point", str(size), "--bundle", options.bundle, "--seconds", options.seconds]
    words += [] if options.place is None else ["--place", options.place]
    line = [sys.executable, "-m", "tests.benchmarks.cost_growth", axis, *map(str, words)]
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return {"size": size} | found


def told(axis: str, rows: list[Row]) -> str:
    """The costs of an axis in Markdown, with the first and the last value and the exponent."""
    first, last = rows[0], rows[-1]
    lines = [f"| cost | at {first['size']:,.0f} | at {last['size']:,.0f} | exponent |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    for name, exponent in exponents(AXES[axis], rows).items():
        shown = "–" if math.isnan(exponent) else f"{exponent:.2f}"
        lines.append(f"| {name} | {_short(first[name])} | {_short(last[name])} | {shown} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _value(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _cell(value: object) -> object:
    return f"{value:.5g}" if isinstance(value, float) else value


def main(
    axes: Annotated[list[AxisName] | None, typer.Argument(help="default: all")] = None,
    out: Annotated[Path, typer.Option(help="folder of the tables and figures")] = Path(),
    size: Annotated[
        list[int] | None, typer.Option(help="measure these; default: the axis's")
    ] = None,
    bundle: Annotated[Path, typer.Option(help="that is served")] = Path("models/cifar10-dpnp-9d"),
    seconds: Annotated[float, typer.Option(help="of load on a service")] = 10,
    place: Annotated[Path | None, typer.Option(help="folder for large files meanwhile")] = None,
    point: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    options = Options(bundle, seconds, place)
    names = [str(axis) for axis in axes or AXES]
    if point is not None:
        print(json.dumps(AXES[names[0]].measure(point, options)))
        return
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = out / f"{name}.csv"
        there = {row["size"] for row in rows_of(file)}
        for each in size or AXES[name].sizes:
            if each not in there:
                append(file, measured_alone(name, each, options))
                print(f"{name} {each:,} measured", flush=True)
        rows = rows_of(file)
        cost_figure(AXES[name], rows).savefig(file.with_suffix(".svg"), metadata={"Date": None})
        print(told(name, rows), flush=True)


if __name__ == "__main__":
    typer.run(main)
