"""Layouts by the names of files alone: no picture is opened for its suffix is known."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from interpret.model.picture_files import scan
from training.config.errors import DataError
from training.data.layouts import NO_CLASS, NO_LABELS, NO_SPLIT, Layout, read_layout


def make(root: Path, *files: str) -> Path:
    """Empty files; a path that ends in a slash is an empty folder."""
    for name in files:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def read(root: Path, to_train: bool = True) -> Layout:
    return read_layout(scan(root), to_train=to_train)


def found(layout: Layout) -> dict[str, dict[str, int]]:
    return {s: {name: len(f) for name, f in part.items()} for s, part in layout.parts.items()}


def reasons(layout: Layout) -> Counter[str]:
    return Counter(each.reason for each in layout.left_out)


AB = {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("train", "valid", "test"),
        ("Train", "Val", "Test"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("training", "validation", "testing"),
        ("Training", "Validation", "Testing"),
        ("training_set", "validation_set", "test_set"),
        ("TrainingSet", "ValidationSet", "TestSet"),
        ("train_images", "val_images", "test images"),
        ("trainset", "valset", "testset"),
        ("seg_train", "seg_val", "seg_test"),
        ("asl_alphabet_train", "asl_alphabet_valid", "asl_alphabet_test"),
        ("train-cats-v2", "val-cats-v2", "test-cats-v2"),
    ],
)
def test_splits_as_archives_name_them(tmp_path: Path, train: str, valid: str, test: str):
    make(tmp_path, *(f"{split}/{c}/1.jpg" for split in (train, valid, test) for c in "ab"))
    layout = read(tmp_path)
    assert found(layout) == {"test": AB, "train": AB, "valid": AB}
    assert (layout.left_out, layout.notes) == ([], [])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # flat, and nested: one folder in another
        (["a/1.jpg", "b/1.jpg"], {"train": AB}),
        (["a/x/1.jpg", "a/2.jpg", "b/y/z/1.jpg"], {"train": {"a": 2, "b": 1}}),
        (["data/a/1.jpg", "data/b/1.jpg"], {"train": AB}),
        (["d/d/train/a/1.jpg", "d/d/train/b/1.jpg", "d/d/test/a/1.jpg"],
         {"test": {"a": 1}, "train": AB}),
        (["seg_train/seg_train/a/1.jpg", "seg_train/seg_train/b/1.jpg",
          "seg_test/seg_test/a/1.jpg", "seg_test/seg_test/b/1.jpg"], {"test": AB, "train": AB}),
        (["train/train/a/1.jpg", "train/train/b/1.jpg", "test/test/a/1.jpg"],
         {"test": {"a": 1}, "train": AB}),
        # a class with the name of a split
        (["bus/1.jpg", "car/1.jpg", "train/1.jpg"], {"train": {"bus": 1, "car": 1, "train": 1}}),
        (["Bus/1.jpg", "Train/1.jpg"], {"train": {"Bus": 1, "Train": 1}}),
        (["bus/1.jpg", "train set/1.jpg"], {"train": {"bus": 1, "train set": 1}}),
        (["train/train/1.jpg", "train/bus/1.jpg", "test/train/1.jpg", "test/bus/1.jpg"],
         {"test": {"bus": 1, "train": 1}, "train": {"bus": 1, "train": 1}}),
        # names that hold a split's name and mean none
        (["toy train/1.jpg", "toy car/1.jpg"], {"train": {"toy car": 1, "toy train": 1}}),
        (["contest/1.jpg", "detest/1.jpg"], {"train": {"contest": 1, "detest": 1}}),
        # the class outside, the split inside
        (["a/train/1.jpg", "a/test/1.jpg", "b/train/1.jpg", "b/test/1.jpg"],
         {"test": AB, "train": AB}),
        # the train split alone is split as a flat folder is
        (["train/a/1.jpg", "train/b/1.jpg"], {"train": AB}),
        # a test split of one class, and one with a folder of another name for it
        (["train/a/1.jpg", "train/b/1.jpg", "test/a/x/1.jpg"], {"test": {"a": 1}, "train": AB}),
        # one of two valid splits is empty
        (["train/a/1.jpg", "train/b/1.jpg", "val/a/", "validation/a/1.jpg"],
         {"train": AB, "valid": {"a": 1}}),
    ],
)  # fmt: skip
def test_layouts(tmp_path: Path, files: list[str], expected: dict[str, dict[str, int]]):
    layout = read(make(tmp_path, *files))
    assert found(layout) == expected
    assert layout.left_out == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "validation/a/1.jpg"],
         "val and validation are both the valid split: put their pictures together, or move"),
        (["Train/a/1.jpg", "Train/b/1.jpg", "train/a/1.jpg", "test/a/1.jpg"],
         "Train and train are both the train split"),
        (["train/a/1.jpg", "train/b/1.jpg", "car/1.jpg"],
         "is train the train split, or a class like car"),
        (["a/1.jpg", "b/1.jpg", "test/1.jpg"],
         "test: a class, or a split without classes. Rename it if it is a class; move it away"),
        (["a/1.jpg", "train/1.jpg", "test/1.jpg"], "test: a class, or a split without classes"),
        (["train/1.jpg", "test/1.jpg"], "train: pictures, but no class folders: sort them into t"),
        (["test/a/1.jpg", "test/b/1.jpg"], "has test, but no train folder with classes: put"),
        (["train/1.jpg", "test/a/1.jpg", "test/b/1.jpg"], "has test, train, but no train folder w"),
        (["1.jpg", "2.jpg"], "2 pictures, but no class folders: sort them into CLASS/PICTURE"),
        (["train/a/1.jpg", "train/b/1.jpg", "test/c/1.jpg"],
         "c: a class that the train folder does not have: move it away, or give it"),
        (["a/1.jpg", "b/1.jpg", "bird/"], "bird: no readable picture in the folder: add some, or"),
        (["Cat/1.jpg", "cat/1.jpg"], "'Cat' and 'cat' differ only in how they are written"),
        (["one/train/a/1.jpg", "one/test/a/1.jpg", "two/train/a/1.jpg", "two/test/a/1.jpg"],
         "one and two look like data sets of their own, with splits and classes: name one"),
    ],
)  # fmt: skip
def test_doubtful_folders_are_refused_with_what_to_do(
    tmp_path: Path, files: list[str], message: str
):
    with pytest.raises(DataError, match=message):
        read(make(tmp_path, *files))


@pytest.mark.parametrize(
    ("files", "note", "reason"),
    [
        (["test/1.jpg", "test/2.jpg"], "test: 2 pictures without class folders", NO_LABELS),
        (["test/images/1.jpg", "test/images/2.jpg"], "test: 2 pictures without class", NO_LABELS),
        (["test/test/1.jpg", "test/test/2.jpg"], "test: 2 pictures without class", NO_LABELS),
        (["valid/a/", "valid/b/"], "valid: no picture in it, so it is no valid split", None),
        (["valid/"], "valid: no picture in it, so it is no valid split", None),
        (["test/a/1.jpg", "more/1.jpg", "more/2.jpg"], "more: no split, left out", NO_SPLIT),
        (["test/a/1.jpg", "1.jpg", "train/2.jpg"], None, NO_CLASS),
    ],
)
def test_what_is_in_no_split_or_class_is_told_and_counted(
    tmp_path: Path, files: list[str], note: str | None, reason: str | None
):
    layout = read(make(tmp_path, "train/a/1.jpg", "train/b/1.jpg", *files))
    assert layout.parts["train"].keys() == {"a", "b"}
    assert "valid" not in layout.parts
    assert [line[: len(note)] for line in layout.notes] == [note] if note else not layout.notes
    assert reasons(layout) == (Counter({reason: 2}) if reason else Counter())


def test_loose_pictures_of_a_flat_folder_and_of_those_around_it_are_counted(tmp_path: Path):
    layout = read(make(tmp_path, "0.jpg", "d/1.jpg", "d/a/1.jpg", "d/b/1.jpg"))
    assert found(layout) == {"train": AB}
    assert reasons(layout) == Counter({NO_CLASS: 2})
    assert layout.notes == ["the pictures lie in d"]


def test_a_folder_with_other_files_alone_is_no_class(tmp_path: Path):
    layout = read(make(tmp_path, "a/1.jpg", "b/1.jpg", "labels/1.xml", "labels/more/2.xml"))
    assert found(layout) == {"train": AB}
    assert reasons(layout) == Counter({"no pictures (.xml)": 2})


def test_a_class_of_pictures_that_are_not_read_is_refused(tmp_path: Path):
    make(tmp_path, "a/1.jpg", "b/1.jpg", "c/1.tif")
    (tmp_path / "c" / "1.tif").write_bytes(b"II*\0")
    with pytest.raises(DataError, match="c: no readable picture in the folder"):
        read(tmp_path)


def test_names_are_compared_in_one_normal_form(tmp_path: Path):
    composed, parted = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    make(tmp_path, f"train/{parted}/1.jpg", "train/eau/1.jpg", f"test/{composed}/1.jpg")
    make(tmp_path, "test/Eau/1.jpg")
    layout = read(tmp_path)
    assert found(layout) == {"test": {composed: 1, "eau": 1}, "train": {composed: 1, "eau": 1}}
    assert layout.notes == ["test/Eau is read as the class eau"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["test/a/1.jpg"], {"test": {"a": 1}}),
        (["a/1.jpg"], {"all": {"a": 1}}),
        (["a/1.jpg", "test/1.jpg"], {"all": {"a": 1, "test": 1}}),
        (["train/a/1.jpg", "train/b/1.jpg", "test/c/1.jpg", "test/d/"],
         {"test": {"c": 1}, "train": AB}),
        (["valid/a/1.jpg", "test/1.jpg"], {"valid": {"a": 1}}),
        (["a/1.jpg", "bird/"], {"all": {"a": 1}}),
        (["bird/"], {"all": {}}),
    ],
)  # fmt: skip
def test_to_measure_any_splits_and_classes_are_enough(
    tmp_path: Path, files: list[str], expected: dict[str, dict[str, int]]
):
    assert found(read(make(tmp_path, *files), to_train=False)) == expected
