"""From an audit to a training that obeys what was decided, as a user types it."""

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from tests.training.commands.command_line import dpnp, run
from training.data.datasets import load_data

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
WRONG = ("5/wrong.png", "7/wrong.png")  # of these classes by name, a 0 and a 1 by their pixels
QUICK = ["--backbone", "small", "--embedding-dim", "3", "--epochs", "1", "--image-size", "16"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits as files, twelve of each, with two wrong labels and two copies among them."""
    root, split = tmp_path_factory.mktemp("digits"), load_data("digits").splits["train"]
    for label in range(10):
        (root / str(label)).mkdir()
        for i in (split.labels == label).nonzero()[0][:12]:
            split.open_picture(int(i)).save(root / str(label) / f"{i}.png")
    for file, label in zip(WRONG, (0, 1), strict=True):
        taken = int((split.labels == label).nonzero()[0][20])
        split.open_picture(taken).save(root / file)
    some = next((root / "3").iterdir())
    shutil.copy(some, root / "3" / "copy.png")
    Image.open(some).save(root / "3" / "same.bmp")
    return root


def findings(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_an_audit_its_decisions_a_training_and_the_next_audit(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    audit = ["audit", DIGITS, "--data", f"folder:{pictures}"]
    printed = run(*audit, "--csv", "first.csv", monkeypatch=monkeypatch, capsys=capsys)
    assert "2 named, of which" in printed
    found = findings(tmp_path / "first.csv")
    suspects = {row["source"]: row for row in found if row["kind"] == "label"}
    assert sorted(suspects) == sorted(WRONG)
    assert (suspects[WRONG[0]]["suggestion"], suspects[WRONG[1]]["suggestion"]) == ("0", "1")
    assert float(suspects[WRONG[0]]["probe_of_label"]) < 0.5
    pairs = {row["likeness"] for row in found if row["other_source"]}
    assert {"same file", "same pixels"} <= pairs

    Path("decided.csv").write_text(
        "source,label,decision,new_label,kind,probability\n"
        f"{WRONG[0]},5,relabel,0,label,0.9\n{WRONG[1]},7,drop,,label,0.9\n"
    )
    decisions = ["--decisions", "decided.csv"]
    printed = run(
        *(*audit, *decisions, "--csv", "next.csv", "--out", "next.html"),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert "No label is named. The model is right on" in " ".join(printed.split())
    assert not [row for row in findings(tmp_path / "next.csv") if row["kind"] == "label"]
    assert WRONG[1] in Path("next.html").read_text()  # earlier decisions are kept in the page

    run(
        *("train", "--data", f"folder:{pictures}", *QUICK, *decisions, "--out", "models/mine"),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    bundle = Bundle.load("models/mine")
    assert bundle.manifest.training["decisions"] == "decided.csv"
    plain = load_data(f"folder:{pictures}").splits
    kept = dict(zip(bundle.gallery.sources, bundle.gallery.labels.tolist(), strict=True))
    assert WRONG[1] not in kept
    train = set(plain["train"].sources)
    assert set(kept) == train - {WRONG[1]}  # the splits are those without decisions
    if WRONG[0] in train:
        assert bundle.manifest.class_names[kept[WRONG[0]]] == "0"
    assert sum(bundle.manifest.data.splits.values()) == sum(map(len, plain.values())) - 1


def test_bad_decisions_are_said_before_the_training(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    decided = tmp_path / "decided.csv"
    decided.write_text("source,decision,new_label\n5/wrong.png,relabel,ten\n")
    train = ["train", "--data", f"folder:{pictures}", *QUICK, "--out", tmp_path / "new"]
    assert dpnp(*train, "--decisions", decided, monkeypatch=monkeypatch) == 2
    assert "5/wrong.png is to be 'ten', which is no class of" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("classes", [{"3": 1}, {"3": 6}, {"3": 2, "8": 1}])
def test_a_tiny_set_and_one_of_one_class_are_audited(
    classes: dict[str, int], pictures: Path, tmp_path: Path, monkeypatch, capsys
):
    few = tmp_path / "few"
    for name, count in classes.items():
        (few / name).mkdir(parents=True)
        for file in sorted((pictures / name).glob("*[0-9].png"))[:count]:
            shutil.copy(file, few / name)
    faint = Image.new("RGB", (8, 8), (3, 3, 3))
    for name in ("faint.png", "again.png"):
        faint.save(few / "3" / name)
    printed = run(
        *("audit", DIGITS, "--data", f"folder:{few}", "--csv", tmp_path / "few.csv"),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert f"{sum(classes.values()) + 2} pictures" in printed
    pairs = [row for row in findings(tmp_path / "few.csv") if row["other_source"]]
    assert [{row["source"], row["other_source"]} for row in pairs] == [
        {"3/again.png", "3/faint.png"}
    ]
    assert pairs[0]["likeness"] == "same file"
