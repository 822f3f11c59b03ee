from dataclasses import replace

import pytest

from training.commands.inspection_table import print_inspection
from training.data.inspection import Finding, Inspection, Sizes, Spread

FOUND = Inspection(
    name="folder:[red]pets",
    class_names=("cat", "[b]dog"),
    counts={"train": (1200, 300), "test": (20, 10)},
    sizes=Sizes(Spread(300, 800.5, 4000), Spread(400, 900, 4000), Spread(1, 1, 1)),
    left_out={"corrupt pictures": Finding(4, ("1.jpg", "2.jpg", "3.jpg"))},
    copies_across_splits=Finding(1, ("train/cat/1.jpg = test/cat/2.jpg",)),
    copies_across_classes=Finding(0, ()),
    notes=("valid: no picture in it, so it is no valid split",),
)


def rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]
        for line in text.splitlines()
        if "│" in line or "┃" in line
    ]


def test_the_table_of_a_folder(capsys: pytest.CaptureFixture[str]):
    print_inspection(FOUND)
    text = capsys.readouterr().out
    assert text.startswith("folder:[red]pets: pictures by class\n")
    assert rows(text) == [
        ["class", "train", "test"],
        ["cat", "1,200", "20"],
        ["[b]dog", "300", "10"],
        ["2 classes", "1,500", "30"],
        ["shorter side, pixels", "300 to 4,000, half of them below 800"],
        ["longer side, pixels", "400 to 4,000, half of them below 900"],
        ["width ÷ height", "1.00"],
        ["largest ÷ smallest class to train on", "4.0 (1,200 and 300 pictures)"],
        ["same file in several splits", "1: train/cat/1.jpg = test/cat/2.jpg"],
        ["same file in several classes", "none"],
        ["left out, corrupt pictures", "4: 1.jpg, 2.jpg, 3.jpg, …"],
        ["note", "valid: no picture in it, so it is no valid split"],
    ]


@pytest.mark.parametrize(("classes", "shown"), [(21, 21), (22, 20), (500, 20)])
def test_many_classes_are_summed_up(classes: int, shown: int, capsys: pytest.CaptureFixture[str]):
    names = tuple(f"class {i}" for i in range(classes))
    print_inspection(replace(FOUND, class_names=names, counts={"train": (2,) * classes}))
    text = rows(capsys.readouterr().out)
    assert sum(row[0].startswith("class ") for row in text) == shown
    rest = [f"and {classes - shown:,} more", f"{2 * (classes - shown):,}"]
    assert (rest in text) is (classes > shown)
    assert [f"{classes:,} classes", f"{2 * classes:,}"] in text


def test_nothing_left_out_is_said(capsys: pytest.CaptureFixture[str]):
    print_inspection(replace(FOUND, left_out={}))
    assert ["left out", "none: every file is used"] in rows(capsys.readouterr().out)


def test_data_in_memory_is_one_line(capsys: pytest.CaptureFixture[str]):
    print_inspection(replace(FOUND, name="digits", sizes=None))
    expected = "digits: 2 classes; pictures: 1,500 train, 30 test\n"
    assert capsys.readouterr().out == expected
