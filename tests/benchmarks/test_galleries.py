"""Galleries of a size: both ways to make one, at a small size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.galleries import gallery_of, rows, streamed

ROOT = Path(__file__).parents[2]


def test_rows_lie_around_prototypes_in_so_many_directions():
    [(found, labels)] = rows(5000, 20, seed=1, directions=3)
    assert found.dtype == np.float32
    one = found[labels == labels[0]]
    assert np.linalg.matrix_rank(one - one.mean(0), tol=0.01) == 3
    away = np.linalg.norm(one - one.mean(0), axis=1)
    assert np.sqrt((away**2).mean()) == pytest.approx(16, rel=0.2)
    [(found, labels)] = rows(5000, 20, seed=1)
    one = found[labels == labels[0]]
    assert np.linalg.matrix_rank(one - one.mean(0), tol=0.01) == 20


def test_imported_and_streamed_galleries_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    found = gallery_of(1200, 4, tmp_path)
    assert (found["kind"], found["recall"]) == ("exact", 1)
    assert found["vectors MB"] == pytest.approx(1200 * 16 / 2**20)
    streamed(1200, 4, directions=2, place=tmp_path)
    printed = capsys.readouterr().out
    assert "kind: exact\n" in printed
    assert "recall: 1\n" in printed
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit, match="GB are needed"):
        streamed(10**12, 512, place=tmp_path)


def test_a_step_alone_prints_json(tmp_path: Path):
    words = ["stream", str(tmp_path), "300", "4"]
    line = [sys.executable, "-m", "tests.benchmarks.galleries", *words]
    done = subprocess.run(line, check=True, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(done.stdout).keys() == {"build CPU s", "build MB"}
