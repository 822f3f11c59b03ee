"""A record of data notices what changes a run, and nothing else."""

import os
from pathlib import Path
from shutil import copytree

import pytest
from PIL import Image

from training.data.data_record import DataRecord
from training.data.datasets import load_data
from training.data.splits import DataSet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of six pictures, in a train and a valid folder."""
    for split in ("train", "valid"):
        for name, colour in (("cat", "red"), ("dog", "blue")):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            for i in range(6):
                path = tmp_path / "pets" / split / name / f"{i}.bmp"
                Image.new("RGB", (16, 16 + i), colour).save(path)
    return tmp_path / "pets"


def record(folder: Path, size: int = 16) -> DataRecord:
    return DataRecord.of(load_data(f"folder:{folder}"), size)


def test_the_same_data_elsewhere_is_the_same(folder: Path, tmp_path: Path):
    before = record(folder)
    assert before.changes(record(folder)) == []
    copytree(folder, tmp_path / "elsewhere" / "animals")
    assert before.changes(record(tmp_path / "elsewhere" / "animals")) == []
    os.utime(folder / "train" / "cat" / "0.bmp", (0, 0))
    (folder / "train" / "cat" / "notes.txt").write_text("no picture")
    assert before.changes(record(folder)) == []


def test_what_changed_is_named(folder: Path):
    before, train = record(folder), folder / "train"
    assert before.changes(record(folder, 32)) == ["input size (was 16, now 32)"]

    (train / "cat" / "3.bmp").rename(train / "cat" / "3b.bmp")
    assert before.changes(record(folder)) == ["names of the train pictures"]
    (train / "cat" / "3b.bmp").rename(train / "cat" / "3.bmp")

    changed = folder / "valid" / "dog" / "2.bmp"
    original = changed.read_bytes()
    changed.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))  # of the same size
    assert before.changes(record(folder)) == ["contents of the valid pictures"]
    changed.write_bytes(original)
    assert before.changes(record(folder)) == []

    (train / "dog" / "0.bmp").rename(train / "cat" / "9.bmp")
    (told,) = before.changes(record(folder))
    assert told == "labels, names of the train pictures"
    (train / "cat" / "9.bmp").unlink()
    assert before.changes(record(folder)) == ["train pictures (were 12, now 11)"]


def test_renamed_classes_are_named(folder: Path):
    before = record(folder)
    for split in ("train", "valid"):
        (folder / split / "cat").rename(folder / split / "kitten")
    told = before.changes(record(folder))
    assert told[0] == "class names (was 'cat', now 'dog', was 'dog', now 'kitten')"
    for split in ("train", "valid"):
        (folder / split / "mouse").mkdir()
        Image.new("RGB", (16, 16)).save(folder / split / "mouse" / "0.bmp")
    assert before.changes(record(folder))[0] == "classes (were 2, now 3)"


def test_a_split_that_comes_or_goes_is_named(digits: DataSet):
    alone = DataSet("digits", digits.class_names, {"train": digits.splits["train"]}, 32)
    both, one = DataRecord.of(digits, 32), DataRecord.of(alone, 32)
    assert both.changes(one) == ["valid split (was 179 pictures, now none)"]
    assert one.changes(both) == ["valid split (was none, now 179 pictures)"]


def test_pictures_in_memory_are_told_apart_by_their_pixels(digits: DataSet):
    other_seed = DataRecord.of(load_data("digits", seed=1), 32)
    (train, valid) = DataRecord.of(digits, 32).changes(other_seed)
    assert train == "labels, names, contents of the train pictures"
    assert valid == "labels, names, contents of the valid pictures"
    split = digits.splits["valid"]
    assert split.content(3) == bytes(split.open_picture(3).convert("L").tobytes())


def test_a_record_survives_as_plain_values(digits: DataSet):
    own = DataRecord.of(digits, 32)
    assert DataRecord.from_plain(own.plain()) == own
    assert own.plain()["splits"]["valid"]["pictures"] == 179


def test_a_name_that_is_no_text_counts_too(digits: DataSet):
    split = digits.splits["valid"]
    named = [os.fsdecode(b"caf\xe9"), *split.sources[1:]]
    odd = type(split)(split.labels, named, split.open_picture, split.content)
    data = DataSet("odd", digits.class_names, {"train": split, "valid": odd}, 32)
    plain = DataSet("plain", digits.class_names, {"train": split, "valid": split}, 32)
    told = DataRecord.of(plain, 32).changes(DataRecord.of(data, 32))
    assert told == ["names of the valid pictures"]
