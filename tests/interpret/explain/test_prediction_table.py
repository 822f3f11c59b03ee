"""Folders in, a table out: a row for every picture, also for one that cannot be read."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BrokenImageError, DpnpError
from interpret.explain.answers import Classification
from interpret.explain.explainer import Explainer
from interpret.explain.prediction_table import (
    BATCH,
    classify_files,
    find_pictures,
    write_predictions,
)

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


def test_folders_are_searched_and_files_taken_as_given(folder: Path) -> None:
    files = find_pictures([folder / "notes.txt", folder])
    assert [file.name for file in files] == ["notes.txt", "a.png", "b.JPG", "c.png"]
    (folder / "empty").mkdir()
    with pytest.raises(DpnpError, match="no pictures in this folder"):
        find_pictures([folder / "empty"])


def test_answers_in_order_over_several_batches(explainer: Explainer, tmp_path: Path) -> None:
    files = []
    for i in range(BATCH + 5):
        files.append(tmp_path / f"{i}.png")
        Image.new("RGB", (4, 4), RED if i % 3 else GREEN).save(files[-1])
    files[BATCH].write_bytes(files[0].read_bytes()[:40])
    answers = list(classify_files(explainer, files))
    assert [file for file, _ in answers] == files
    for i, (_, answer) in enumerate(answers):
        if i == BATCH:
            assert isinstance(answer, BrokenImageError)
        else:
            assert isinstance(answer, Classification)
            assert answer.label == ("red" if i % 3 else "green")


def test_a_table_has_every_picture(explainer: Explainer, folder: Path, tmp_path: Path) -> None:
    files = find_pictures([folder])
    assert write_predictions(explainer, files, tmp_path / "p.parquet") == 1
    assert write_predictions(explainer, files, tmp_path / "p.csv") == 1
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["red", "green", None]
    assert rows[0] | {"probability": 0, "negative_distance": 0, "margin": 0} == {
        "file": str(folder / "a.png"),
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

    with pytest.raises(TypeError):
        write_predictions(explainer, [*find_pictures([folder]), None], out / "p.csv")
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("p.csv", "old")]


def test_a_folder_called_like_a_picture_is_none(folder: Path, tmp_path: Path) -> None:
    album = folder / "album.jpg"
    album.mkdir()
    shutil.copy(folder / "a.png", album / "d.png")
    assert [file.name for file in find_pictures([folder])] == ["a.png", "d.png", "b.JPG", "c.png"]


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
