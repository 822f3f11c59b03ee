"""The tables: ours beside the paper's."""

import csv
from pathlib import Path

import pytest

from training.paper import runs
from training.paper.tables import Entry


def test_difference_is_ours_less_the_papers():
    assert Entry(0.9, 0.8, 0.0, 1).difference == pytest.approx(-0.1)
    assert Entry(None, 0.8, 0.0, 1).difference is None


def test_the_tables_hold_the_runs_figures(everything: Path):
    out = everything
    folder = next((out / "runs").glob("digits-3d-dpnp-*"))
    result, arrays = runs.read(folder)
    with (out / "all.csv").open() as file:
        rows = {
            row["measure"]: row
            for row in csv.DictReader(file)
            if row["method"] == "dpnp" and row["dim"] == "3"
        }
    assert float(rows["accuracy"]["mean"]) == result.metrics.accuracy
    assert float(rows["scr"]["mean"]) == result.metrics.geometry.scr
    assert float(rows["min_sep_deg"]["limit"]) == pytest.approx(66.1468, abs=1e-4)
    assert rows["accuracy"]["paper"] == ""
    assert arrays.embeddings.shape == (len(arrays.labels), 3)
    assert arrays.intra_class_angles.mean() == pytest.approx(
        result.metrics.geometry.intra_class_angle_deg, rel=1e-5
    )
