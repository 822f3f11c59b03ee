"""`dpnp reproduce`: the paper's protocol word for word, and the whole of it run on digits."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.training.commands.command_line import dpnp
from training.config.method_names import METHOD_NAMES
from training.paper import runs
from training.paper.protocol import TARGETS, Setting, configuration, setting_of
from training.paper.reproduce import plan
from training.paper.tables import Entry

SECTION_V_B = {
    "batch_size": 64,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "radius": 40.0,
    "prototype_init": "random",
    "prototype_lr": 0.1,
    "accumulate": 1,
}
CIFAR = {"lr": 0.1, "epochs": 200, "schedule": "step", "weights": None, "warmup_epochs": 0}
FLOWERS = {"lr": 0.01, "epochs": 160, "schedule": "late-step", "weights": "imagenet"}
STANDARD = {"backbone": "resnet18", "embedding_dim": None}
REDUCED = {"backbone": "resnet18-reduced"}


@pytest.mark.parametrize(
    ("data", "network", "expected", "lambdas"),
    [
        ("cifar10", "standard", CIFAR | STANDARD, (0.1, 0.1, 0.1)),
        ("cifar100", "standard", CIFAR | STANDARD, (0.1, 0.1, 0.1)),
        ("flowers102", "standard", FLOWERS | STANDARD | {"warmup_epochs": 0}, (0.1, 0.1, 0.1)),
        ("cifar10", "reduced", CIFAR | REDUCED | {"embedding_dim": 3}, (0.01, 0.01, 0.02)),
        ("cifar100", "reduced", CIFAR | REDUCED | {"embedding_dim": 10}, (0.1, 0.1, 0.2)),
        (
            "flowers102",
            "reduced",
            FLOWERS | REDUCED | {"embedding_dim": 10, "warmup_epochs": 10},
            (0.1, 0.1, 0.2),
        ),
    ],
)
def test_the_paper_preset_is_section_v_b(data: str, network, expected: dict, lambdas: tuple):
    config = configuration("paper", setting_of(data, network), "dpnp", 0, data, None)
    names = ("lambda_pos", "lambda_neg_sample", "lambda_neg_class")
    expected = SECTION_V_B | expected | dict(zip(names, lambdas, strict=True))
    assert {key: getattr(config, key) for key in expected} == expected


def test_rivals_keep_their_own_papers_rates():
    center = configuration("paper", setting_of("cifar10", "standard"), "cl", 0, "cifar10", None)
    assert (center.lambda_pos, center.prototype_lr) == (0.003, None)  # None: Wen's 0.5


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


def test_difference_is_ours_less_the_papers():
    assert Entry(0.9, 0.8, 0.0, 1).difference == pytest.approx(-0.1)
    assert Entry(None, 0.8, 0.0, 1).difference is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["table5"], "table5: not one of table1"),
        (["table1", "--preset", "gpu"], "--preset gpu: not one of paper, cpu"),
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


def test_the_hash_tells_configurations_apart():
    def folder(**options: object) -> str:
        return plan("table2", "cpu", seeds=[0], methods=["dpp"], data=["digits"], **options)[
            0
        ].folder

    assert folder() == folder()
    different = [folder(), folder(epochs=1), folder(overrides=["lr=0.2"]), folder(holdout=True)]
    assert len(set(different)) == 4


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `dpnp reproduce all` on digits leaves behind."""
    out = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        options = ("--preset", "cpu", "--data", "digits", "--epochs", 2, "--out", out)
        assert dpnp("reproduce", "all", *options, monkeypatch=patch) == 0
    return out


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
    for name in ("fig3", "fig4", "fig5-digits-3d", "fig5-digits-3d-sphere"):
        with Image.open(out / f"{name}.png") as picture:
            assert picture.getextrema() != ((255, 255),) * len(picture.getbands())
    assert "plotly" in (out / "fig5-digits-3d-sphere.html").read_text().lower()


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


def test_finished_runs_are_not_run_again(everything: Path, monkeypatch: pytest.MonkeyPatch):
    """And a run that was cut goes on: only the one whose result is gone is trained again."""
    out = everything
    gone = next((out / "runs").glob("digits-3d-ce-*"))
    before = (gone / runs.RESULT).read_text()
    (gone / runs.RESULT).unlink()
    trained = []
    monkeypatch.setattr(runs, "train", _spy(runs.train, trained))
    options = ("--preset", "cpu", "--data", "digits", "--epochs", 2, "--out", out)
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
