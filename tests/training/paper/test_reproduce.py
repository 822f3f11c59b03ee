"""`dpnp reproduce`: planned, refused, and the whole of it run on digits."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.training.commands.command_line import dpnp
from training.config.method_names import METHOD_NAMES
from training.paper import runs
from training.paper.protocol import TARGETS, Setting
from training.paper.reproduce import plan


def test_dry_run_prints_every_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    assert dpnp("reproduce", "all", "--dry-run", "--seeds", 2, monkeypatch=monkeypatch) == 0
    printed = json.loads(capsys.readouterr().out)
    assert len(printed) == 2 * 3 * 2 * 7  # seeds, data sets, networks, methods
    assert len({run["run"] for run in printed}) == len(printed)
    first = printed[0]
    assert (first["column"], first["method"], first["epochs"]) == ("cifar10-standard", "ce", 200)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["table5"], "table5: not one of table1"),
        (["table1", "--preset", "gpu"], "--preset gpu: not one of paper, cpu, scratch"),
        (["table1", "--methods", "dpnp,arcface"], "--methods arcface: not one of ce"),
        (["table1", "--networks", "reduced"], "--networks reduced: table1 is of standard"),
        (["all", "--networks", "wide"], "--networks wide: all is of standard, reduced"),
        (["table1", "--set", "lamda=1"], "--set lamda=1: not OPTION=VALUE"),
        (["table1", "--set", "lr=fast"], "--lr fast: "),
        (["table1", "--data", "cifar10"], "--data cifar10: not in data; --download fetches it"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    monkeypatch.chdir(tmp_path)
    assert dpnp("reproduce", *options, monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {message}")


def test_a_data_set_of_the_paper_may_lie_elsewhere():
    cells = plan("table2", "cpu", seeds=[3], methods=["dpp"], data=["cifar10=folder:x"])
    (cell,) = cells
    assert cell.setting == Setting("cifar10", True, 3)
    assert (cell.config.data, cell.config.seed) == ("folder:x", 3)


def test_other_dimensions_are_another_column():
    options = {"seeds": [0], "methods": ["dpp"], "data": ["cifar10"]}
    (cell,) = plan("table2", "scratch", overrides=["embedding_dim=9"], **options)
    assert (cell.setting, cell.config.embedding_dim) == (Setting("cifar10", True, 9), 9)
    cells = plan("table4", "paper", overrides=["embedding_dim=9"], **options)
    assert [c.setting.key for c in cells] == ["cifar10-standard", "cifar10-9d"]


def test_all_of_it_on_digits(everything: Path):
    out = everything
    assert len(list((out / "runs").glob(f"*/{runs.RESULT}"))) == 2 * 7
    for name, target in TARGETS.items():
        if not target.measures:
            continue
        with (out / f"{name}.csv").open() as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == len(target.networks) * len(METHOD_NAMES) * len(target.measures)
        assert (out / f"{name}.md").read_text().count("| DPNP |") == len(target.networks)
    assert (out / "paired.md").read_text().count(" | 1 |\n") == 2 * (len(METHOD_NAMES) - 1)
    for name in ("fig3", "fig4", "fig5-digits-3d", "fig5-digits-3d-sphere"):
        with Image.open(out / f"{name}.png") as picture:
            assert picture.getextrema() != ((255, 255),) * len(picture.getbands())
    assert "plotly" in (out / "fig5-digits-3d-sphere.html").read_text().lower()
