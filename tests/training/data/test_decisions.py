"""Files of decisions, and what they do to a data set."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.config.errors import DataError
from training.data.decisions import (
    Decision,
    check_present,
    check_trainable,
    obeyed,
    read_decisions,
)
from training.data.splits import DataSet, Split

HEADING = "source,label,decision,new_label,kind,probability\n"


@pytest.fixture
def data() -> DataSet:
    pixels = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    sources = ["cat/1", "cat/2", "cat/3", "dog/1", "dog/2"]
    whole = Split.of_arrays(pixels, np.array([0, 0, 0, 1, 1]), sources)
    parts = {"train": np.array([0, 1, 3]), "test": np.array([2, 4])}
    return DataSet(
        "pets", ["cat", "dog"], {name: whole.subset(rows) for name, rows in parts.items()}, 8
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_json_say_the_same(tmp_path: Path):
    rows = '"cat/1","cat","relabel","dog","label","0.93"\ndog/1,,drop,,,\n"a, ""b""",x,keep,,,\n'
    expected = [
        Decision("cat/1", "relabel", "cat", "dog", "label", 0.93),
        Decision("dog/1", "drop"),
        Decision('a, "b"', "keep", "x"),
    ]
    assert read_decisions(write(tmp_path / "d.csv", "\ufeff" + HEADING + rows)) == expected
    listed = [
        {**each.__dict__, "probability": each.probability, "kind": each.kind or None}
        for each in expected
    ]
    for content in (listed, {"decisions": listed}):
        assert read_decisions(write(tmp_path / "d.json", json.dumps(content))) == expected


def test_labels_are_changed_and_pictures_dropped_in_their_splits(data: DataSet):
    found = obeyed(
        data,
        [
            Decision("cat/1", "relabel", "cat", "dog"),
            Decision("dog/2", "drop"),
            Decision("cat/2", "keep", "cat"),
        ],
    )
    assert found.splits["train"].sources == ["cat/1", "cat/2", "dog/1"]
    assert found.splits["train"].labels.tolist() == [1, 0, 1]
    assert found.splits["test"].sources == ["cat/3"]
    assert np.asarray(found.splits["train"].open_picture(2))[0, 0, 0] == 3
    assert data.splits["train"].labels.tolist() == [0, 0, 1]
    check_trainable(found)


def test_a_class_that_only_the_model_knows(data: DataSet):
    change = [Decision("cat/1", "relabel", "", "fox")]
    assert obeyed(data, change, ["dog", "fox"]).class_names == ["cat", "dog", "fox"]
    with pytest.raises(DataError, match="cat/1 is to be 'fox', which is no class of pets"):
        obeyed(data, change)


def test_decisions_about_other_data_are_refused(data: DataSet, caplog):
    with pytest.raises(DataError, match="cat/1 is said to be labelled 'dog', and is 'cat'"):
        obeyed(data, [Decision("cat/1", "keep", "dog")])
    with pytest.raises(DataError, match="none of the 1 pictures decided is in pets"):
        check_present(data, [Decision("fox/1", "drop")])
    check_present(data, [Decision("fox/1", "drop"), Decision("cat/1", "drop")])
    assert "decided, but not there: fox/1" in caplog.text


def test_what_leaves_too_little_is_refused(data: DataSet):
    with pytest.raises(DataError, match="no training picture is left of dog"):
        check_trainable(obeyed(data, [Decision("dog/1", "drop")]))
    everything = [Decision(s, "drop") for part in data.splits.values() for s in part.sources]
    with pytest.raises(DataError, match="every picture is dropped"):
        obeyed(data, everything)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.txt", "", "decisions are read from .csv or .json"),
        ("none.csv", None, "cannot be read"),
        ("d.csv", "", "the column 'decision' is missing"),
        ("d.csv", HEADING, "there is no decision in it"),
        ("d.csv", HEADING + "a,,burn,,,\n", "line 2: 'burn' is none of keep, relabel, drop"),
        ("d.csv", HEADING + ",,keep,,,\n", "line 2 names no source"),
        ("d.csv", HEADING + "a,,relabel,,,\n", "line 2: a relabel without new_label"),
        ("d.csv", HEADING + "a,,keep,x,,\n", "new_label is for relabel, and the decision is keep"),
        ("d.csv", HEADING + "a,,keep,,,much\n", "'much' is no probability"),
        ("d.csv", HEADING + "a,,keep,,,\na,,drop,,,\n", "line 3 decides 'a' again, and otherwise"),
        ("d.json", "{", "no JSON"),
        ("d.json", '{"a": 1}', "a list of decisions must stand in it"),
        ("d.json", '[{"source": "a", "decision": "no"}]', "decision 1: 'no' is none of"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(
    tmp_path: Path, name: str, text: str | None, message: str
):
    if text is not None:
        write(tmp_path / name, text)
    with pytest.raises(DataError, match="--decisions") as raised:
        read_decisions(tmp_path / name)
    assert message in str(raised.value)
