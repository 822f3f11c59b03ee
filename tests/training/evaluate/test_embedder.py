"""Embeddings from a batch job, in the place of embedding the pictures again."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.batch.columns import Extras
from interpret.batch.run import run_job
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from tests.conftest import write_toy_bundle
from tests.training.commands.command_line import dpnp, run
from training.config.errors import DataError
from training.evaluate.embedder import Embedder
from training.evaluate.labelled import DataSource, LabelledData, load_to_evaluate

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty pictures of the toy's classes, all different."""
    folder = tmp_path / "photos"
    for i in range(30):
        name = list(COLOURS)[i % 3]
        (folder / name).mkdir(parents=True, exist_ok=True)
        colour = [max(each - i, 0) for each in COLOURS[name]]
        Image.new("RGB", (4, 4), tuple(colour)).save(folder / name / f"{i:02}.png")
    return folder


def labelled(bundle: Bundle, folder: Path) -> LabelledData:
    return load_to_evaluate(bundle, DataSource(f"folder:{folder}"), None)


@pytest.fixture
def answers(toy_bundle: Bundle, folder: Path, tmp_path: Path) -> Path:
    out = tmp_path / "answers"
    run_job(toy_bundle.path, [str(folder)], out, Extras(embeddings=True))
    return out


def test_the_same_prediction_as_by_the_model(
    toy_bundle: Bundle, folder: Path, answers: Path
) -> None:
    data = labelled(toy_bundle, folder)
    computed, stored = Embedder(toy_bundle, data)("all"), Embedder(toy_bundle, data, answers)("all")
    for own, other in zip(computed, stored, strict=True):
        np.testing.assert_array_equal(own, other)


def test_what_changed_since_or_is_new_is_embedded(
    toy_bundle: Bundle, folder: Path, answers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    same, changed = folder / "red" / "00.png", folder / "red" / "03.png"
    before = same.stat()
    for file in (same, changed):
        Image.new("RGB", (4, 4), (0, 0, 255)).save(file)
    os.utime(same, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had happened
    later = (answers / "part-000000.parquet").stat().st_mtime + 1
    os.utime(changed, (later, later))
    Image.new("RGB", (4, 4), (0, 255, 0)).save(folder / "blue" / "new.png")
    data = labelled(toy_bundle, folder)
    with caplog.at_level("INFO"):
        found = Embedder(toy_bundle, data, answers)("all").embedding.tolist()
    sources = data.splits["all"].sources
    assert found[sources.index("red/00.png")] == [1, 0, 0]  # not looked at
    assert found[sources.index("red/03.png")] == [0, 0, 1]
    assert found[sources.index("blue/new.png")] == [0, 1, 0]
    assert f"all: 2 of 31 pictures are not in {answers}" in caplog.text


def test_a_folder_that_is_of_no_use_is_refused(
    toy_bundle: Bundle, folder: Path, answers: Path, tmp_path: Path
) -> None:
    data = labelled(toy_bundle, folder)
    with pytest.raises(DpnpError, match=r"photos/job\.json: No such file.*is .* a job's folder\?"):
        Embedder(toy_bundle, data, folder)
    other = write_toy_bundle(tmp_path / "other", name="other")
    with pytest.raises(DpnpError, match="holds answers of another bundle"):
        Embedder(other, data, answers)
    run_job(toy_bundle.path, [str(folder)], tmp_path / "bare")
    with pytest.raises(DpnpError, match="holds no embeddings; run dpnp predict with --embeddings"):
        Embedder(toy_bundle, data, tmp_path / "bare")
    run_job(toy_bundle.path, [str(folder / "red")], tmp_path / "reds", Extras(embeddings=True))
    (folder / "red").rename(folder / "more")
    (folder / "more").rename(tmp_path / "red")
    with pytest.raises(DataError, match=r"has no picture of folder:photos, all, such as .*\.png"):
        Embedder(toy_bundle, labelled(toy_bundle, folder), tmp_path / "reds")("all")


def test_evaluate_and_audit_say_the_same(
    toy_bundle: Bundle,
    folder: Path,
    answers: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for package in ("training", "interpret"):  # the commands' log is not left behind
        monkeypatch.setattr(logging.getLogger(package), "handlers", [])
        monkeypatch.setattr(logging.getLogger(package), "level", logging.NOTSET)
    source = (toy_bundle.path, "--data", f"folder:{folder}")
    for command in (("evaluate", *source, "--json"), ("audit", *source)):
        computed = run(*command, monkeypatch=monkeypatch, capsys=capsys)
        assert run(*command, "--from", answers, monkeypatch=monkeypatch, capsys=capsys) == computed
    words = ("evaluate", *source, "--explanations", "--from", answers)
    assert dpnp(*words, monkeypatch=monkeypatch) == 2
    assert "error: --from and --explanations: give one of them" in capsys.readouterr().err


def test_only_files_are_found_in_a_job(toy_bundle: Bundle, folder: Path, answers: Path) -> None:
    data = replace(labelled(toy_bundle, folder), folder=None)
    with pytest.raises(DataError, match=r"--from .*: goes with --data folder:PATH"):
        Embedder(toy_bundle, data, answers)
