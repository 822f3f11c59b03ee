"""How cost grows: the exponents, and the command at small sizes."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from tests.benchmarks.cost_axes import AXES
from tests.benchmarks.cost_figure import cost_figure, exponents
from tests.benchmarks.cost_growth import append, rows_of, told

ROOT = Path(__file__).parents[2]


def test_exponents_are_those_of_the_upper_half():
    # 5 + size², whose constant does not count above 100.
    rows = [
        {"size": n, "seconds": 5 + n**2, "CPU seconds": n, "peak MB": 0} for n in (1, 100, 10_000)
    ]
    found = exponents(AXES["batch-job"], rows)
    assert found["seconds"] == pytest.approx(2, abs=0.01)
    assert found["CPU seconds"] == pytest.approx(1)
    assert math.isnan(found["peak MB"])
    # A square's cost is held against its pixels.
    names = [name for panel in AXES["image-side"].panels for name in panel.columns]
    squares = [{"size": n} | dict.fromkeys(names, n**2) for n in (64, 128, 256)]
    assert exponents(AXES["image-side"], squares)["training ms"] == pytest.approx(1)


def test_rows_are_read_as_they_were_written(tmp_path: Path):
    file = tmp_path / "rows.csv"
    append(file, {"size": 100, "kind": "exact", "query ms": 0.123456789})
    append(file, {"size": 10, "kind": "IVF4,Flat", "query ms": 2.0})
    assert rows_of(file) == [
        {"size": 10, "kind": "IVF4,Flat", "query ms": 2},
        {"size": 100, "kind": "exact", "query ms": 0.12346},
    ]


@pytest.mark.parametrize("axis", AXES)
def test_the_page_says_what_was_measured(axis: str, tmp_path: Path):
    rows = rows_of(ROOT / "docs" / "cost" / f"{axis}.csv")
    assert {row["size"] for row in rows} == set(AXES[axis].sizes)
    page = (ROOT / "docs" / "cost.md").read_text()
    assert told(axis, rows) in page
    assert f"(cost/{axis}.svg)" in page
    cost_figure(AXES[axis], rows).savefig(tmp_path / "drawn.svg")
    assert (ROOT / "docs" / "cost" / f"{axis}.svg").stat().st_size < 200_000


def test_the_command_measures_what_is_missing(toy_bundle: Bundle, tmp_path: Path):
    words = ["batch-job", "--bundle", str(toy_bundle.path), "--out", str(tmp_path)]
    line = [sys.executable, "-m", "tests.benchmarks.cost_growth", *words, "--size", "1"]
    for more in ([], ["--size", "3"]):
        done = subprocess.run([*line, *more], check=True, cwd=ROOT, capture_output=True, text=True)
    assert "batch-job 3 measured" in done.stdout
    assert "batch-job 1 measured" not in done.stdout
    rows = rows_of(tmp_path / "batch-job.csv")
    assert [row["size"] for row in rows] == [1, 3]
    assert all(row["seconds"] > 0 and row["peak MB"] > 50 for row in rows)
    assert (tmp_path / "batch-job.svg").read_text().startswith("<?xml")
