"""Runs are told apart, found again, and gone on with."""

import json
import shutil
from pathlib import Path

import pytest

from tests.training.commands.command_line import dpnp
from tests.training.paper.conftest import OVERRIDES, SMALL
from training.paper import runs
from training.paper.reproduce import plan


def test_the_hash_tells_configurations_apart():
    def folder(**options: object) -> str:
        return plan("table2", "cpu", seeds=[0], methods=["dpp"], data=["digits"], **options)[
            0
        ].folder

    assert folder() == folder()
    different = [folder(), folder(epochs=1), folder(overrides=["lr=0.2"]), folder(holdout=True)]
    assert len(set(different)) == 4


def test_finished_runs_are_not_run_again(everything: Path, monkeypatch: pytest.MonkeyPatch):
    """And a run that was cut goes on: only the one whose result is gone is trained again."""
    out = everything
    gone = next((out / "runs").glob("digits-3d-ce-*"))
    before = (gone / runs.RESULT).read_text()
    (gone / runs.RESULT).unlink()
    trained = []
    monkeypatch.setattr(runs, "train", _spy(runs.train, trained))
    options = ("--preset", "cpu", "--data", "digits", "--epochs", 2, *SMALL, "--out", out)
    assert dpnp("reproduce", "table2", *options, monkeypatch=monkeypatch) == 0
    assert trained == [True]  # one, resumed from its checkpoint
    after = json.loads((gone / runs.RESULT).read_text())
    assert after["metrics"] == json.loads(before)["metrics"]


def _spy(train, trained: list[bool]):
    def spied(*arguments, resume: bool, **options):
        trained.append(resume)
        return train(*arguments, resume=resume, **options)

    return spied


def test_a_result_counts_for_its_whole_configuration_alone(everything: Path, tmp_path: Path):
    """Whatever the defaults are by now, and whatever the folder is called."""
    options = {"seeds": [0], "methods": ["ce"], "data": ["digits"], "epochs": 2}
    options["overrides"] = OVERRIDES
    (cell,) = plan("table2", "cpu", **options)
    folder = runs.stored(cell, everything / "runs")
    assert folder is not None
    copy = tmp_path / f"{cell.name}-0123456789"
    shutil.copytree(folder, copy)
    assert runs.stored(cell, tmp_path) == copy
    for change in ({"lr": 0.3}, {"weight_decay": 0.0}, {"precision": "bf16"}):
        changed = cell._replace(config=cell.config.model_copy(update=change))
        assert runs.stored(changed, tmp_path) is None
    assert runs.stored(cell._replace(holdout=True), tmp_path) is None

    record = json.loads((copy / runs.RESULT).read_text())
    record["config"] |= {"half": False, "joined": [], "prototype_init": "arranged"}  # of long ago
    (copy / runs.RESULT).write_text(json.dumps(record))
    assert runs.stored(cell, tmp_path) == copy
    assert runs.read(copy)[0].config == cell.config
    del record["config"]["weight_decay"]  # what it was then cannot be known
    (copy / runs.RESULT).write_text(json.dumps(record))
    assert runs.stored(cell, tmp_path) is None


def test_holding_out_measures_on_training_pictures_alone():
    load = runs.loader(Path("data"), download=False, holdout=True)
    data, whole = load("digits"), runs.loader(Path("data"), False, False)("digits")
    train = set(whole.splits["train"].sources)
    assert set(data.splits) == {"train", "valid"}
    assert set(data.splits["train"].sources) | set(data.splits["valid"].sources) == train
    assert len(data.splits["valid"]) == pytest.approx(len(train) / 10, rel=0.05)
    assert load("digits") is data
