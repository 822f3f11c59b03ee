"""The summary of a run, by hand: the toy's answers on pictures of one colour."""

from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor
from tests.conftest import write_toy_bundle
from training.data.splits import DataSet, Split
from training.evaluate.summary import Summary, summarise

RED, GREEN, BLUE, DARK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (60, 0, 0)
NAMES = ["red", "green", "blue"]


def split(*parts: tuple[int, int, tuple[int, int, int]]) -> Split:
    """Pictures of one colour: (how many, label, colour) each, with names as files have."""
    labels = [label for count, label, _ in parts for _ in range(count)]
    colours = [colour for count, _, colour in parts for _ in range(count)]
    pixels = np.array(colours, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    sources = [f"{NAMES[label]}/{i}.png" for i, label in enumerate(labels)]
    return Split.of_arrays(pixels, np.array(labels), sources)


def summary_of(bundle: Bundle, **splits: Split) -> Summary:
    predictor = Predictor(bundle)
    data = DataSet("folder:colours", NAMES, splits, 4)
    return summarise(bundle, data, {n: predictor(s.pixels(4, "")) for n, s in splits.items()})


# Twenty of each; among the tests one green is called red (the surer mistake) and one is dark red.
TRAIN = split((20, 0, RED), (20, 1, GREEN), (20, 2, BLUE))
TEST = split((8, 0, RED), (1, 0, GREEN), (1, 2, DARK), (10, 1, GREEN))


def test_figures_by_hand(toy_bundle: Bundle):
    found = summary_of(toy_bundle, train=TRAIN, test=TEST)
    assert (found.split, found.examples, found.accuracy) == ("test", 20, 0.9)
    # 18 of 20 by Wilson: (0.9 + 0.09604) / 1.19207 = 0.8355, and 0.1345 on both sides.
    assert found.interval == pytest.approx((0.6990, 0.9721), abs=1e-4)
    assert (found.largest_class, found.uniform) == (0.5, pytest.approx(1 / 3))
    assert (found.train_accuracy, found.valid_accuracy) == (1.0, None)
    assert found.pictures == {"train": 60, "test": 20}
    assert (found.imbalance, found.balanced_accuracy) == (1.0, None)
    assert [(f.label, f.examples, f.recall) for f in found.weakest] == [
        ("blue", 1, 0.0),
        ("red", 9, pytest.approx(8 / 9)),
    ]
    assert [(c.label, c.answer, c.examples) for c in found.confusions] == [
        ("red", "green", 1),
        ("blue", "red", 1),
    ]
    assert found.diagnosis.grade == "good"
    assert found.calibration is None


def test_unequal_classes_get_a_balanced_accuracy(toy_bundle: Bundle):
    train = split((20, 0, RED), (5, 1, GREEN), (20, 2, BLUE))
    found = summary_of(toy_bundle, train=train, valid=TRAIN, test=TEST)
    assert found.imbalance == 4
    assert found.balanced_accuracy == pytest.approx((8 / 9 + 1 + 0) / 3)
    assert found.valid_accuracy == 1.0


def test_a_model_that_guesses_names_no_suspects(toy_bundle: Bundle):
    test = split((5, 0, GREEN), (5, 1, RED), (5, 2, BLUE))
    found = summary_of(toy_bundle, train=TRAIN, test=test)
    assert found.diagnosis.grade == "bad"
    assert found.suspects.number is None
    assert found.suspects.why.startswith("the model is too weak to tell: right on ")


def test_commands_are_ready_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    training = {"data": "folder:my pictures"}
    bundle = write_toy_bundle(tmp_path / "models" / "mine", training=training)
    found = summary_of(bundle, train=TRAIN, test=TEST)
    data = "--data 'folder:my pictures'"
    assert found.next_commands == (
        # The surest of the two mistakes.
        "dpnp explain models/mine 'my pictures/red/8.png' --out explanation.png",
        f"dpnp evaluate models/mine {data} --split test --html evaluation.html",
        f"dpnp audit models/mine {data} --out audit.html",
        "dpnp report models/mine --out report.html",
        "dpnp serve models/mine",
    )


def test_data_without_files_has_a_name_to_replace(toy_bundle: Bundle):
    predictor = Predictor(toy_bundle)
    data = DataSet("cifar10", NAMES, {"train": TRAIN, "test": TEST}, 4)
    predictions = {name: predictor(own.pixels(4, "")) for name, own in data.splits.items()}
    found = summarise(toy_bundle, data, predictions, Path("elsewhere"))
    assert " photo.jpg --out" in found.next_commands[0]
    assert "--data cifar10 --data-root elsewhere" in found.next_commands[1]
