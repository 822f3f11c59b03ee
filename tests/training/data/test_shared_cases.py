"""Folders from public bug reports, made by a script that lies beside the checkout, if it does."""

import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from training.config.errors import DataError
from training.data.datasets import load_data, load_to_measure
from training.data.splits import DataSet

SCRIPT = Path(__file__).parents[4] / "shared" / "cases" / "cases.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason=f"no {SCRIPT}")

Loader = Callable[[str], Path]
FLAT, SPLIT = {"test": 6, "train": 27, "valid": 3}, {"test": 18, "train": 36}
SYSTEM = "hidden, or made by the system"


@pytest.fixture
def case(tmp_path: Path) -> Loader:
    """The folder of a case by its name."""

    def make(name: str) -> Path:
        # The script's functions look each other up in their own module, which runpy gives back.
        runpy.run_path(str(SCRIPT))["CASES"][name](tmp_path / name)
        return tmp_path / name

    return make


def counts(data: DataSet) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def reasons(data: DataSet) -> dict[str, int]:
    return dict(Counter(each.reason for each in data.left_out))


@pytest.mark.parametrize(
    ("name", "expected", "left_out", "note"),
    [
        ("plain", SPLIT, {}, None),
        ("capital_splits", SPLIT, {}, None),
        ("training_testing", SPLIT, {}, None),
        ("class_called_train", FLAT, {}, None),
        ("unlabelled_test", FLAT, {"pictures of a split without class folders": 8},
         "test: 8 pictures without class folders, so it is no test split"),
        ("unlabelled_test_and_valid", {"train": 36, "valid": 18},
         {"pictures of a split without class folders": 8},
         "test: 8 pictures without class folders, so it is no test split"),
        ("empty_valid", SPLIT, {}, "valid: no picture in it, so it is no valid split"),
        ("macosx_folder", FLAT, {SYSTEM: 6}, None),
        ("notebook_copies", FLAT, {SYSTEM: 12}, None),
        ("odd_suffixes", {"test": 9, "train": 27, "valid": 3},
         {"TIFF files, a format that is not read": 3}, None),
        ("composed_names", SPLIT, {}, None),
        ("tiny_audit", {"test": 1, "train": 2}, {}, None),
    ],
)  # fmt: skip
def test_folders_are_understood(
    case: Loader, name: str, expected: dict[str, int], left_out: dict[str, int], note: str | None
):
    data = load_data(f"folder:{case(name)}")
    assert counts(data) == expected
    assert reasons(data) == left_out
    assert list(data.notes) == ([note] if note else [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("val_and_validation", "val and validation are both the valid split: put their pictures"),
        ("only_test", "has test, but no train folder with classes: put the class folders"),
        ("resume_added", "after and before look like data sets of their own.*: name one"),
        ("stray_stubs", "7 pictures, but no class folders: sort them into CLASS/PICTURE"),
        ("odd_predict_folder", "1 class folders; there must be 2 or more"),
    ],
)
def test_folders_are_refused_with_what_to_do(case: Loader, name: str, message: str):
    with pytest.raises(DataError, match=message):
        load_data(f"folder:{case(name)}")


def test_new_labelled_pictures_are_measured_as_they_are(case: Loader):
    test = case("only_test")
    assert counts(load_to_measure(f"folder:{test}", None)) == {"test": 18}
    for name, expected in (("one_class", {"all": 5}), ("flat", {"all": 18})):
        folder = test.with_name(f"only_test_{name}")
        assert counts(load_to_measure(f"folder:{folder}", None)) == expected


def test_camera_pictures_are_read(case: Loader):
    folder = case("big_camera")
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for i, file in enumerate(folder.glob("*_*.*")):
            for copy in range(2):
                (folder / name / f"{i}{copy}{file.suffix}").symlink_to(file)
    data = load_data(f"folder:{folder}")
    assert sum(counts(data).values()) == 8
    assert reasons(data) == {"pictures in no class folder": 2}
