"""The tables: ours beside the paper's."""

import csv
from pathlib import Path

import pytest

from interpret.geometry.packing import widest_angle
from training.paper import runs
from training.paper.tables import Entry, limit


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


@pytest.mark.parametrize(("classes", "dim", "moves"), [(40, 5, True), (10, 3, False)])
def test_a_limit_that_is_no_proof_is_never_below_the_runs(
    everything: Path, classes: int, dim: int, moves: bool
):
    """A run's own prototypes may lie wider than the search for the limit found."""
    result, _ = runs.read(next((everything / "runs").glob("digits-3d-dpnp-*")))
    known = widest_angle(classes, dim)
    assert known is not None
    wide = result.metrics.geometry.model_copy(update={"min_sep_deg": known.degrees + 1})
    run = result.model_copy(
        update={
            "class_names": [str(i) for i in range(classes)],
            "dim": dim,
            "metrics": result.metrics.model_copy(update={"geometry": wide}),
        }
    )
    assert limit({"dpnp": [run]}) == known._replace(degrees=known.degrees + moves)
