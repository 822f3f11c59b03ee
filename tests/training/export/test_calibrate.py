"""Calibration on real digits: what it finds, and the same again when it is done again."""

from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.errors import DpnpError
from interpret.edit.classes import remove_class
from interpret.model.onnx_head import with_temperature
from interpret.model.predictor import Predictor
from interpret.trust.calibration import tempered
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.evaluate.labelled import DataSource
from training.export.calibrate import Calibrated, calibrate_bundle

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
SOURCE = DataSource("digits")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    return calibrate_bundle(DIGITS, SOURCE, tmp_path_factory.mktemp("once") / "digits")


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_data("digits")


def found(bundle: Bundle) -> Calibration:
    assert bundle.manifest.calibration is not None
    return bundle.manifest.calibration


def test_calibrated_twice_is_the_same_again(once: Calibrated, digits: DataSet, tmp_path: Path):
    twice = calibrate_bundle(once.bundle.path, SOURCE, tmp_path / "digits")
    assert found(twice.bundle) == found(once.bundle)
    assert twice.trial == once.trial
    assert twice.bundle.read("model.onnx") == once.bundle.read("model.onnx")
    pixels = digits.splits["test"].pixels(32, "")[:40]
    for a, b in zip(Predictor(once.bundle)(pixels), Predictor(twice.bundle)(pixels), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(twice.bundle.manifest.changes) == 2


def test_an_earlier_calibration_leaves_no_trace(once: Calibrated, tmp_path: Path):
    other = calibrate_bundle(once.bundle.path, SOURCE, tmp_path / "a", split="test", coverage=0.8)
    assert found(other.bundle) != found(once.bundle)
    back = calibrate_bundle(other.bundle.path, SOURCE, tmp_path / "b")
    assert found(back.bundle) == found(once.bundle)
    assert back.bundle.read("model.onnx") == once.bundle.read("model.onnx")


def test_the_manifest_has_the_graph_s_temperature(once: Calibrated, digits: DataSet):
    pixels = digits.splits["test"].pixels(32, "")[:40]
    own = Predictor(DIGITS.joinpath("model.onnx").read_bytes())(pixels).probabilities
    actual = Predictor(once.bundle)(pixels).probabilities
    temperature = found(once.bundle).temperature
    assert temperature != pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(actual, tempered(own, temperature), atol=1e-6)
    cold = Predictor(with_temperature(once.bundle.read("model.onnx"), 1.0))(pixels).probabilities
    np.testing.assert_allclose(cold, own, atol=1e-6)


def test_an_edited_bundle_is_calibrated_for_its_classes(once: Calibrated, tmp_path: Path):
    """Its graph ends anew, with the temperature inside: that one is replaced, too."""
    less = remove_class(once.bundle, "9", tmp_path / "less")
    pictures = tmp_path / "pictures"
    train = load_data("digits").splits["train"]
    for label in range(9):
        (pictures / str(label)).mkdir(parents=True)
        for row in np.flatnonzero(train.labels == label)[:40]:
            train.open_picture(int(row)).save(pictures / str(label) / f"{row}.png")
    source = DataSource(f"folder:{pictures}")
    wish = {"split": "test", "coverage": 0.8}
    again = calibrate_bundle(less.path, source, tmp_path / "again", **wish)
    same = calibrate_bundle(again.bundle.path, source, tmp_path / "same", **wish)
    assert len(found(again.bundle).max_distance) == 9
    assert found(same.bundle) == found(again.bundle)
    assert same.bundle.read("model.onnx") == again.bundle.read("model.onnx")


def test_limits_of_one_split_are_tried_on_the_other(once: Calibrated):
    assert (found(once.bundle).split, found(once.bundle).examples) == ("valid", 179)
    assert once.trial is not None
    assert (once.trial.split, once.trial.examples) == ("test", 359)
    assert once.trial.kept >= once.trial.accepted > 0.8


def test_too_few_pictures(tmp_path: Path):
    with pytest.raises(DpnpError, match="179 pictures are too few for a coverage of 99%"):
        calibrate_bundle(DIGITS, SOURCE, tmp_path / "never", coverage=0.99)
    assert not list(tmp_path.iterdir())


def test_groups_that_are_given_stay(tmp_path: Path):
    tree = tmp_path / "groups.yaml"
    tree.write_text("round: ['0', '6', '8', '9']\nstraight: ['1', '4', '7']\n")
    first = calibrate_bundle(
        DIGITS, SOURCE, tmp_path / "a", split="test", coverage=0.98, tree=tree
    ).bundle
    assert first.manifest.groups is None  # so few ambiguous pictures cannot promise that much
    given = calibrate_bundle(DIGITS, SOURCE, tmp_path / "b", coverage=0.7, tree=tree).bundle
    groups = given.manifest.groups
    assert groups is not None
    assert (groups.source, [node.name for node in groups.nodes]) == ("given", ["straight", "round"])
    again = calibrate_bundle(given.path, SOURCE, tmp_path / "c", coverage=0.7).bundle
    assert again.manifest.groups == groups
    tree.write_text("round: ['0', 'ten']")
    with pytest.raises(DpnpError, match=r"--groups .*groups.yaml: groups: no class 'ten'"):
        calibrate_bundle(DIGITS, SOURCE, tmp_path / "d", tree=tree)
    assert not (tmp_path / "d").exists()
