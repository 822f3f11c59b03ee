"""Training data in WebDataset and Parquet shards: read, refused, and resumed."""

import io
import logging
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from interpret.model.images import decode
from tests.shards_made import jpeg, samples, write_parquet, write_tar
from tests.training.conftest import quick_config
from tests.training.run.whole_and_cut import interrupt_after, same_weights
from training.config.errors import CheckpointError, DataError
from training.data import batches
from training.data.datasets import load_data, load_to_measure
from training.data.inspection import inspect
from training.run.loop import train

LABELS = ["cat", "dog", "cat", "dog", "cat", "dog"]


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    """Two train shards and a test shard of six pictures each."""
    for name, first in (("train-000", 0), ("train-001", 6), ("test-000", 12)):
        write_tar(tmp_path / f"photos-{name}.tar", samples(first, LABELS))
    return tmp_path


@pytest.fixture
def parquets(tmp_path: Path) -> Path:
    """The same pictures in Parquet files."""
    for name, first in (("train/0", 0), ("train/1", 6), ("test/0", 12)):
        pictures = [jpeg(i) for i in range(first, first + 6)]
        codes = pa.array([int(label == "dog") for label in LABELS])
        write_parquet(tmp_path / f"{name}.parquet", pictures, codes, names=("cat", "dog"))
    return tmp_path


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_any_picture_is_read_by_itself(kind: str, request: pytest.FixtureRequest):
    folder = request.getfixturevalue({"webdataset": "tars", "parquet": "parquets"}[kind])
    data = load_data(f"{kind}:{folder}")
    assert data.class_names == ["cat", "dog"]
    assert {name: len(split) for name, split in data.splits.items()} == {"test": 6, "train": 12}
    for name, first in (("train", 0), ("test", 12)):
        split = pickle.loads(pickle.dumps(data.splits[name]))  # as worker processes get it
        assert split.labels.tolist() == [0, 1] * (len(split) // 2)
        for i in (len(split) - 1, 0, 3):
            assert split.open_picture(i) == decode(jpeg(first + i))
    found = inspect(data)
    assert found.counts == {"train": (6, 6), "test": (3, 3)}
    assert (found.sizes.shorter.least, found.sizes.longer.most) == (30, 40)


def test_sources_name_shard_and_picture(tars: Path, parquets: Path):
    assert load_data(f"webdataset:{tars}").splits["test"].sources[1] == (
        "photos-test-000.tar/000013.jpg"
    )
    assert load_data(f"parquet:{parquets}").splits["train"].sources[7] == "train/1.parquet#1"


def test_the_same_pictures_give_the_same_splits_as_a_folder(tmp_path: Path):
    """Without splits of their own, shards are split by the seed, copies kept together."""
    write_tar(tmp_path / "shards" / "0.tar", samples(0, ["cat"] * 12))
    write_tar(tmp_path / "shards" / "1.tar", samples(12, ["dog"] * 12))
    for i in range(24):
        file = tmp_path / "folder" / ("cat" if i < 12 else "dog") / f"{i:06}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(i))
    shards, folder = (
        load_data(spec, seed=3)
        for spec in (f"webdataset:{tmp_path / 'shards'}", f"folder:{tmp_path / 'folder'}")
    )
    for name in ("train", "valid", "test"):
        own, other = shards.splits[name], folder.splits[name]
        assert own.labels.tolist() == other.labels.tolist()
        assert np.array_equal(own.pixels(16, ""), other.pixels(16, ""))
        assert [own.content(i) for i in range(len(own))] == [
            other.content(i) for i in range(len(other))
        ]
    whole = load_to_measure(f"webdataset:{tmp_path / 'shards'}", None)
    assert list(whole.splits) == ["all"]


def test_shards_may_be_named_by_a_pattern(tars: Path):
    data = load_data(f"webdataset:{tars}/photos-train-{{000..001}}.tar")
    assert sum(map(len, data.splits.values())) == 12
    assert len(load_to_measure(f"webdataset:{tars}/photos-test-*.tar", None).splits["test"]) == 6
    with pytest.raises(DataError, match=r"photos-train-002\.tar: no such file"):
        load_data(f"webdataset:{tars}/photos-train-{{000..002}}.tar")


def test_labels_as_json_and_numbers_with_names(tmp_path: Path):
    members = [
        member
        for i in range(12)
        for member in (
            (f"{i}.jpg", jpeg(i)),
            (f"{i}.json", f'{{"label": {(2, 10)[i % 2]}}}'.encode()),
        )
    ]
    write_tar(tmp_path / "0.tar", members)
    assert load_data(f"webdataset:{tmp_path}").class_names == ["2", "10"]
    (tmp_path / "classes.txt").write_text("\n".join(f"class {i}" for i in range(11)))
    assert load_data(f"webdataset:{tmp_path}").class_names == ["class 2", "class 10"]
    (tmp_path / "classes.txt").write_text("one\ntwo\n")
    with pytest.raises(DataError, match=r"classes\.txt: 2 class names, but a label 10"):
        load_data(f"webdataset:{tmp_path}")


def test_corrupt_pictures_are_named_and_skipped(tars: Path, caplog: pytest.LogCaptureFixture):
    bad = [
        ("bad.jpg", jpeg(30)[:1200]),
        ("bad.cls", b"cat"),
        ("no.png", b"text"),
        ("no.cls", b"cat"),
    ]
    write_tar(tars / "photos-train-002.tar", [*samples(40, LABELS), *bad])
    with caplog.at_level(logging.WARNING):
        data = load_data(f"webdataset:{tars}")
    assert len(data.splits["train"]) == 18
    assert f"{tars}/photos-train-002.tar/bad.jpg: the JPEG picture is corrupt" in caplog.text
    assert f"{tars}/photos-train-002.tar/no.png: not a picture" in caplog.text
    assert sorted(reason for _, reason in data.left_out) == [
        "corrupt pictures",
        "files that are no pictures inside",
    ]
    with pytest.raises(DataError, match=r"bad\.jpg: the JPEG picture is corrupt.*2 of 20"):
        load_data(f"webdataset:{tars}", strict=True)


def test_bad_archives_name_the_member(tars: Path):
    file = tars / "photos-train-000.tar"
    whole = file.read_bytes()
    cases: list[tuple[bytes, str]] = [
        (whole[:9000], "unreadable after|cut short"),
        (b"", "unreadable after its start"),
        (b"\0" * 10240, "no pictures in the archive"),
    ]
    for members, message in (
        ([("1.jpg", jpeg(1))], r"1\.jpg has no label"),
        ([("1.jpg", jpeg(1)), ("1.json", b"{")], r"1\.json: no label in it"),
        ([("1.jpg", jpeg(1)), ("1.cls", b"\xff\xfe")], r"1\.cls: no label in it"),
        ([("1.jpg", jpeg(1)), ("1.mask.png", jpeg(1)), ("1.cls", b"a")], "are one sample"),
    ):
        cases.append((write_tar(tars / "made" / "x", members).read_bytes(), message))
    (tars / "made" / "x").unlink()
    for content, message in cases:
        file.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(str(file)) + ": .*" + f"({message})"):
            load_data(f"webdataset:{tars}")


def test_bad_tables_name_file_and_row(tmp_path: Path):
    file, pictures = tmp_path / "x.parquet", [jpeg(i) for i in range(6)]
    write_parquet(file, pictures, pa.array(["a", "b", None, "a", "b", "a"]))
    with pytest.raises(DataError, match=r"x\.parquet: row 2 has no label \(label is None\)"):
        load_data(f"parquet:{tmp_path}")
    write_parquet(file, pictures, pa.array([0, 1, -1, 0, 1, 0]))
    with pytest.raises(DataError, match=r"row 2 has no label \(label is -1\)"):
        load_data(f"parquet:{tmp_path}")
    write_parquet(file, pictures, pa.array([0.5] * 6))
    with pytest.raises(DataError, match="no column of labels"):
        load_data(f"parquet:{tmp_path}")
    write_parquet(file, [None, *pictures[1:]], pa.array([0, 1, 0, 1, 0, 1]))
    with pytest.raises(DataError, match=r"x\.parquet#0: the picture is empty"):
        load_data(f"parquet:{tmp_path}", strict=True)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match=r"x\.parquet: unreadable"):
        load_data(f"parquet:{file}")


def test_what_cannot_be_trained_on_is_refused(tars: Path, tmp_path: Path):
    write_tar(tmp_path / "other" / "0.tar", samples(0, ["cat"] * 6))
    for spec, message in (
        ("webdataset:", "names no folder"),
        (f"webdataset:{tmp_path}/none", "no such file or folder"),
        (f"parquet:{tars / 'photos-train-000.tar'}", "not a .parquet file"),
        (f"webdataset:{tmp_path / 'other'}", "there must be 2 classes"),
    ):
        with pytest.raises(DataError, match=message):
            load_data(spec)
    write_tar(tars / "photos-test-001.tar", samples(50, ["bird"]))
    (tmp_path / "other" / "0.tar").unlink()
    with pytest.raises(DataError, match="the test shards have the class 'bird'"):
        load_data(f"webdataset:{tars}")
    (tars / "photos-test-001.tar").rename(tars / "odd.tar")
    with pytest.raises(DataError, match=r"odd\.tar: is no split by its name"):
        load_data(f"webdataset:{tars}")
    (tars / "odd.tar").rename(tars / "odd.tar.gz")
    with pytest.raises(DataError, match="a compressed archive"):
        load_data(f"webdataset:{tars}")


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_a_streamed_run_that_was_cut_goes_on_bit_for_bit(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batches, "RESIDENT_SHARE", 0.0)  # read by worker processes in every epoch
    folder = request.getfixturevalue({"webdataset": "tars", "parquet": "parquets"}[kind])
    config = quick_config(
        data=f"{kind}:{folder}", image_size=72, batch_size=4, epochs=2, backbone="tiny"
    )
    whole = train(config, load_data(config.data), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, load_data(config.data), tmp_path / "cut", on_epoch=interrupt_after(1))
    resumed = train(config, load_data(config.data), tmp_path / "cut", resume=True)
    assert same_weights(resumed, whole)


def test_a_run_whose_shards_changed_is_refused(tars: Path, tmp_path: Path):
    config = quick_config(data=f"webdataset:{tars}", batch_size=4, epochs=2, backbone="tiny")
    with pytest.raises(KeyboardInterrupt):
        train(config, load_data(config.data), tmp_path / "run", on_epoch=interrupt_after(1))
    changed = [(name, jpeg(99) if name == "000003.jpg" else c) for name, c in samples(0, LABELS)]
    write_tar(tars / "photos-train-000.tar", changed)
    with pytest.raises(CheckpointError, match="contents of the train pictures"):
        train(config, load_data(config.data), tmp_path / "run", resume=True)


def test_a_large_jpeg_is_decoded_at_half_where_that_is_enough():
    large = jpeg(1, (400, 300))
    assert decode(large, side=75).size == (100, 75)
    assert decode(large, side=76).size == (200, 150)
    assert decode(large, side=200).size == (400, 300)
    png = io.BytesIO()
    Image.new("RGB", (400, 300)).save(png, "PNG")
    assert decode(png.getvalue(), side=75).size == (400, 300)
