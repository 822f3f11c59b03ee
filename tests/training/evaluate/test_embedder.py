"""Embeddings from a batch job, in the place of embedding the pictures again."""

import logging
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from interpret.batch.columns import Extras
from interpret.batch.run import run_job
from interpret.batch.stored import StoredAnswers
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.edit.gallery_update import update_gallery
from tests.conftest import write_toy_bundle
from tests.shards_made import write_tar
from tests.training.commands.command_line import dpnp, run
from training.config.errors import DataError
from training.data.datasets import load_data
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


@pytest.fixture
def shards(folder: Path, tmp_path: Path) -> dict[str, Path]:
    """The same pictures in shards of both kinds, their labels numbers; every other one has a name
    of its own in the Parquet files.
    """
    files = sorted(folder.rglob("*.png"), key=lambda file: file.name)
    kinds = {kind: tmp_path / kind for kind in ("webdataset", "parquet")}
    numbers = [list(COLOURS).index(file.parent.name) for file in files]
    for shard in range(2):
        own, labels = files[shard::2], numbers[shard::2]
        pairs = zip(own, labels, strict=True)
        members = [
            member
            for file, label in pairs
            for member in (
                (f"./{file.stem}.png", file.read_bytes()),
                (f"./{file.stem}.cls", str(label).encode()),
            )
        ]
        write_tar(kinds["webdataset"] / "in" / f"{shard}.tar", members)
        table = {
            "image": [file.read_bytes() for file in own],
            "path": [None if i % 2 else file.name for i, file in enumerate(own)],
            "cls": labels,
        }
        out = kinds["parquet"] / f"{shard}.parquet"
        out.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(table), out, row_group_size=4)
    for place in kinds.values():
        (place / "classes.txt").write_text("\n".join(COLOURS))
    return kinds


@pytest.mark.parametrize("kind", ["folder", "webdataset", "parquet"])
def test_evaluate_and_audit_say_the_same(
    kind: str,
    toy_bundle: Bundle,
    folder: Path,
    shards: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for package in ("training", "interpret"):  # the commands' log is not left behind
        monkeypatch.setattr(logging.getLogger(package), "handlers", [])
        monkeypatch.setattr(logging.getLogger(package), "level", logging.NOTSET)
    place, answers = {"folder": folder, **shards}[kind], tmp_path / "answers"
    run_job(toy_bundle.path, [str(place)], answers, Extras(embeddings=True))
    source = (toy_bundle.path, "--data", f"{kind}:{place}")
    for command in (("evaluate", *source, "--json"), ("audit", *source)):
        computed = run(*command, monkeypatch=monkeypatch, capsys=capsys)
        assert run(*command, "--from", answers, monkeypatch=monkeypatch, capsys=capsys) == computed
    words = ("evaluate", *source, "--explanations", "--from", answers)
    assert dpnp(*words, monkeypatch=monkeypatch) == 2
    assert "error: --from and --explanations: give one of them" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_pictures_in_shards_are_found(
    kind: str,
    toy_bundle: Bundle,
    shards: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "answers"
    run_job(toy_bundle.path, [kind], out, Extras(embeddings=True))  # a relative path
    data = load_to_evaluate(toy_bundle, DataSource(f"{kind}:{shards[kind]}"), None)
    computed, embedder = Embedder(toy_bundle, data)("all"), Embedder(toy_bundle, data, out)
    monkeypatch.setattr(embedder, "_computed", None)  # nothing is left to compute
    for own, other in zip(computed, embedder("all"), strict=True):
        np.testing.assert_array_equal(own, other)
    later = (out / "part-000000.parquet").stat().st_mtime + 60
    [first, second] = sorted(file for file in shards[kind].rglob("*") if file.stem in "01")
    os.utime(second, (later, later))
    stored = StoredAnswers(out, toy_bundle)
    rows = stored.rows_of([f"{shards[kind]}/{source}" for source in data.splits["all"].sources])
    assert (rows[:15] >= 0).all()
    assert (rows[15:] == -1).all()
    first.unlink()
    with pytest.raises(DataError, match=f"has no picture of {kind}:{kind}, all, such as .*/0"):
        Embedder(toy_bundle, data, out)("all")


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_a_gallery_from_shards_has_the_labels_that_training_reads(
    kind: str, toy_bundle: Bundle, shards: dict[str, Path], tmp_path: Path
) -> None:
    run_job(toy_bundle.path, [str(shards[kind])], tmp_path / "answers", Extras(embeddings=True))
    done = update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "answers")
    assert (done.only_answered, done.unrecognised) == (0, 0)
    before, data = len(toy_bundle.gallery.ids), load_data(f"{kind}:{shards[kind]}")
    labels = np.concatenate([split.labels for split in data.splits.values()])
    names = [done.bundle.manifest.class_names[i] for i in done.bundle.gallery.labels[before:]]
    assert Counter(names) == Counter(data.class_names[label] for label in labels)


def test_pictures_of_lists_are_found(toy_bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    files = sorted(str(file) for file in folder.rglob("*.png"))
    (tmp_path / "list.txt").write_text("\n".join(files[:20]))
    pq.write_table(pa.table({"path": files[20:]}), tmp_path / "list.parquet")
    sources = [str(tmp_path / "list.txt"), str(tmp_path / "list.parquet")]
    run_job(toy_bundle.path, sources, tmp_path / "answers", Extras(embeddings=True))
    stored = StoredAnswers(tmp_path / "answers", toy_bundle)
    assert sorted(stored.rows_of(files).tolist()) == list(range(30))
    run_job(toy_bundle.path, sources[:1], tmp_path / "gone", Extras(embeddings=True))
    for file in (tmp_path / "gone").glob("part-*"):
        file.unlink()
    with pytest.raises(DpnpError, match="its shards are gone; run the same dpnp predict again"):
        StoredAnswers(tmp_path / "gone", toy_bundle)


def test_only_files_are_found_in_a_job(toy_bundle: Bundle, folder: Path, answers: Path) -> None:
    data = labelled(toy_bundle, folder)
    data = replace(data, data=replace(data.data, root=None))
    with pytest.raises(DataError, match=r"--from .*: goes with pictures in files, --data folder:P"):
        Embedder(toy_bundle, data, answers)
