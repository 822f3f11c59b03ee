"""Accuracy, and what a class costs, on a toy whose answers are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.edit.classes import add_class
from training.data.splits import DataSet, Split
from training.evaluate.accuracy import evaluate_accuracy
from training.evaluate.added_class import cost_of_class
from training.evaluate.labelled import LabelledData

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 255, 0)]


@pytest.fixture
def data() -> LabelledData:
    """Red, green and blue, and a yellow that is called red; the toy answers green."""
    pixels = np.array(COLOURS, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    labels = np.array([0, 1, 2, 0])
    split = Split.of_arrays(pixels, labels, list("abcd"))
    whole = DataSet("toy", ["red", "green", "blue"], {"train": split, "test": split}, 4)
    return LabelledData(whole, {"train": labels, "test": labels})


def test_three_of_four_are_right(toy_bundle: Bundle, data: LabelledData):
    found = evaluate_accuracy(toy_bundle, data, "test")
    metrics, scored = found.metrics, found.scored
    assert (metrics.split, metrics.examples, metrics.accuracy) == ("test", 4, 0.75)
    assert scored.predicted.tolist() == [0, 1, 2, 1]
    assert metrics.rules_disagree == 0
    assert metrics.geometry.min_sep_deg == pytest.approx(90)
    assert found.matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert found.trained_on.tolist() == [False] * 4


def test_a_new_class_takes_pictures_of_the_old_ones(
    toy_bundle: Bundle, data: LabelledData, tmp_path: Path
):
    folder = tmp_path / "greenish"
    folder.mkdir()
    Image.new("RGB", (4, 4), (0, 254, 0)).save(folder / "a.png")
    after = add_class(toy_bundle, "greenish", folder, tmp_path / "more")
    cost = cost_of_class(toy_bundle, after, data)
    assert (cost.examples, cost.before) == (4, 0.75)
    assert cost.after <= cost.before
