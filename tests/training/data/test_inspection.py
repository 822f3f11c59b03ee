from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.model.picture_files import LeftOut
from training.data.datasets import load_data
from training.data.inspection import Finding, Inspection, Spread, inspect, log_problems
from training.data.splits import DataSet, Facts, Split


def split(labels: list[int], sizes: list[tuple[int, int]], digests: list[int], at: str) -> Split:
    pixels = np.zeros((len(labels), 2, 2), np.uint8)
    made = Split.of_arrays(pixels, np.array(labels), [f"{at}/{i}" for i in range(len(labels))])
    facts = Facts(np.array(sizes, np.int32), np.array(digests, np.uint64))
    return Split(made.labels, made.sources, made.open_picture, made.content, facts)


@pytest.fixture
def data() -> DataSet:
    """Five training and three test pictures of two classes."""
    train_sizes = [(100, 50), (200, 50), (100, 100), (300, 600), (40, 80)]
    return DataSet(
        "folder:x",
        ["cat", "dog"],
        {
            "train": split([0, 0, 0, 0, 1], train_sizes, [1, 2, 3, 3, 4], "train"),
            "test": split([0, 1, 1], [(100, 50)] * 3, [2, 3, 9], "test"),
        },
        64,
        left_out=[
            LeftOut(Path("x/.DS_Store"), "hidden"),
            *(LeftOut(Path(f"x/a/{i}.txt"), "no pictures (.txt)") for i in range(5)),
        ],
        notes=["a note"],
    )


def test_what_a_data_set_holds(data: DataSet):
    found = inspect(data)
    assert found.name == "folder:x"
    assert found.class_names == ("cat", "dog")
    assert found.counts == {"train": (4, 1), "test": (1, 2)}
    assert (found.training, found.imbalance) == (5, 4.0)
    assert found.sizes is not None
    assert found.sizes.shorter == Spread(40, 50, 300)
    assert found.sizes.longer == Spread(80, 100, 600)
    assert found.sizes.aspect == Spread(0.5, 2.0, 4.0)
    assert list(found.left_out.items()) == [
        ("no pictures (.txt)", Finding(5, ("a/0.txt", "a/1.txt", "a/2.txt"))),
        ("hidden", Finding(1, ("x/.DS_Store",))),
    ]


def test_copies_across_splits_and_classes(data: DataSet):
    found = inspect(data)
    assert found.copies_across_splits == Finding(2, ("train/1 = test/0", "train/2 = test/1"))
    assert found.copies_across_classes == Finding(1, ("train/2 = test/1",))


def test_problems_are_a_line_each(data: DataSet, caplog: pytest.LogCaptureFixture):
    log_problems(inspect(data))
    assert [record.getMessage() for record in caplog.records] == [
        "folder:x: a note",
        "folder:x: left out, no pictures (.txt): 5: a/0.txt, a/1.txt, a/2.txt, …",
        "folder:x: left out, hidden: 1: x/.DS_Store",
        "folder:x: the same file in several splits: 2: train/1 = test/0, train/2 = test/1",
        "folder:x: the same file in several classes: 1: train/2 = test/1",
    ]


def test_data_in_memory_has_counts_alone():
    found = inspect(load_data("digits"))
    assert (found.sizes, found.copies_across_splits, found.copies_across_classes) == (None,) * 3
    assert found.problems() == []
    assert found.training == 1259
    assert {name: sum(own) for name, own in found.counts.items()} == {
        "train": 1259,
        "valid": 179,
        "test": 359,
    }


def test_a_class_without_training_pictures_is_infinitely_rare():
    found = Inspection("x", ("a", "b"), {"train": (3, 0)}, None, {}, None, None, ())
    assert found.imbalance == float("inf")


def test_a_folder_as_it_lies_on_disk(tmp_path: Path):
    for part, first in (("train", 0), ("test", 2)):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(first, first + 3):  # the third is in both parts, and of both classes
                level = 100 if i == 2 else (i + 1) * (10 if name == "cat" else 20)
                Image.new("L", (30 + i, 20), level).save(tmp_path / part / name / f"{i}.png")
    found = inspect(load_data(f"folder:{tmp_path}"))
    assert list(found.counts.items()) == [("train", (3, 3)), ("test", (3, 3))]
    assert found.sizes is not None
    assert found.sizes.longer == Spread(30, 32, 34)
    assert found.copies_across_splits is not None
    assert found.copies_across_splits.count == 1
    assert found.copies_across_classes == Finding(1, ("test/cat/2.png = test/dog/2.png",))


def test_a_million_pictures_can_be_looked_at():
    count = 1_000_000
    facts = Facts(np.full((count, 2), 64, np.int32), np.arange(count, dtype=np.uint64) // 2)
    labels = np.arange(count) % 1000
    made = Split.of_arrays(np.zeros((1, 2, 2), np.uint8), labels, range(count))  # type: ignore
    whole = Split(labels, made.sources, made.open_picture, made.content, facts)
    data = DataSet("x", [str(i) for i in range(1000)], {"train": whole}, 64)
    found = inspect(data)
    assert found.copies_across_classes is not None
    assert found.copies_across_classes.count == count // 2
    assert len(found.copies_across_classes.examples) == 3
