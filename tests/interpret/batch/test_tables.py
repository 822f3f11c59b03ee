"""Folders in, a table out: a row for every picture, also for one that cannot be read."""

import csv
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from interpret.batch.sources import Listing, Part, list_sources
from interpret.batch.tables import answers_to, write_table
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BrokenImageError, DpnpError
from interpret.explain.answers import Classification
from interpret.explain.explainer import BATCH, Explainer

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture(scope="module")
def explainer(toy_bundle: Bundle) -> Explainer:
    return Explainer(toy_bundle)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a.png red, sub/b.JPG green, sub/c.png broken, and no picture."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    Image.new("RGB", (4, 4), RED).save(folder / "a.png")
    Image.new("RGB", (4, 4), GREEN).save(folder / "sub" / "b.JPG")
    (folder / "sub" / "c.png").write_bytes((folder / "a.png").read_bytes()[:40])
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_answers_in_order_over_several_batches(explainer: Explainer, tmp_path: Path) -> None:
    files = []
    for i in range(BATCH + 5):
        files.append(str(tmp_path / f"{i}.png"))
        Image.new("RGB", (4, 4), RED if i % 3 else GREEN).save(files[-1])
    broken = Path(files[BATCH])
    broken.write_bytes(broken.read_bytes()[:40])
    found = list(answers_to(explainer, list_sources(files)))
    assert [each.picture.name for each in found] == files
    for i, each in enumerate(found):
        if i == BATCH:
            assert isinstance(each.answer, BrokenImageError)
            assert str(each.answer).startswith(f"{broken}: the picture's header is corrupt: ")
            assert each.embedding is None
        else:
            assert isinstance(each.answer, Classification)
            assert each.answer.label == ("red" if i % 3 else "green")
            assert each.embedding is not None
            assert each.embedding.tolist() == ([1, 0, 0] if i % 3 else [0, 1, 0])


def test_a_table_has_every_picture(explainer: Explainer, folder: Path, tmp_path: Path) -> None:
    listing = list_sources([str(folder)])
    assert write_table(explainer, listing, tmp_path / "p.parquet") == (3, 1)
    assert write_table(explainer, listing, tmp_path / "p.csv") == (3, 1)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["red", "green", None]
    assert rows[0] | {"probability": 0, "negative_distance": 0, "margin": 0} == {
        "source": str(folder / "a.png"),
        "label": "red",
        "probability": 0,
        "verdict": "accept",
        "group": None,
        "distance": 0.0,
        "negative": "green",
        "negative_distance": 0,
        "max_distance": 0.9,
        "min_margin": 0.1,
        "margin": 0,
        "novelty": 0.0,
        "error": None,
    }
    assert rows[0]["margin"] == pytest.approx(2**0.5)
    assert "c.png" in rows[2]["error"]
    with (tmp_path / "p.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["label"] for row in table] == ["red", "green", ""]
    assert float(table[0]["margin"]) == rows[0]["margin"]


def test_nothing_is_left_of_a_table_that_fails(
    explainer: Explainer, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "p.csv").write_text("old")

    (folder / "table.parquet").mkdir()
    with pytest.raises(DpnpError, match="cannot be written: Is a directory"):
        write_table(explainer, list_sources([str(folder)]), folder / "table.parquet")
    assert not list(folder.glob(".table*"))
    broken = Listing([Part("files", ("a.png",), ())], "")  # a label is missing
    with pytest.raises(ValueError, match="zip"):
        write_table(explainer, broken, out / "p.csv")
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("p.csv", "old")]


def test_the_command(toy_bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    def predict(*words: object) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "interpret.commands.app",
            "predict",
            toy_bundle.path,
            *words,
        ]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True)

    out = tmp_path / "p.parquet"
    done = predict(folder, "--out", out)
    assert done.returncode == 2  # one is unreadable
    assert "3 pictures, 1 of them unreadable" in done.stdout
    assert pq.read_table(out).num_rows == 3
    (folder / "sub" / "c.png").unlink()
    assert predict(folder, "--out", out).returncode == 0
    done = predict(folder, "--out", tmp_path / "p.xlsx")
    assert done.returncode == 2
    assert "written as .parquet or .csv" in done.stderr
    assert "green" in predict(folder).stdout
