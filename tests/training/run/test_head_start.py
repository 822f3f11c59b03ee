"""A run that starts from features: of use before the first step, kept when training is worse."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.training.conftest import quick_config
from training.config.errors import ConfigError
from training.data.splits import DataSet
from training.run import checkpoint, metrics_log
from training.run.epoch_end import ValidFigures
from training.run.loop import train
from training.run.stages import Start, keep_better_

FEATURES = {
    "head_start": "features",
    "embedding_dim": 9,
    "radius": 10.0,
    "optimizer": "adamw",
    "norms": "frozen",  # else training sees other features than the head was fitted to
}


def test_no_epoch_at_all_leaves_a_fitted_head(digits: DataSet, tmp_path: Path):
    """Even random features of digits are told apart by a fitted head; a random head is right on a
    tenth of them.
    """
    figures: list[float] = []
    network = train(
        quick_config(**FEATURES, epochs=1, lr=1e-9),
        digits,
        tmp_path,
        on_epoch=lambda metrics: figures.append(metrics["valid_accuracy"]),
    )
    assert network is not None
    assert figures[0] > 0.8
    assert train(quick_config(**FEATURES, epochs=0), digits, tmp_path / "none") is not None
    assert checkpoint.read(tmp_path / "none").epoch == 0


def test_what_cannot_be_shown_to_be_better_is_not_trained(
    digits: DataSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """With two valid pictures, one more right than the head's nine tenths would be more than
    both.
    """
    caplog.set_level(logging.INFO)
    valid = digits.splits["valid"]
    few = replace(valid, labels=valid.labels[:2], sources=valid.sources[:2])
    data = replace(digits, splits=digits.splits | {"valid": few})
    config = quick_config(**FEATURES, epochs=3)
    network = train(config, data, tmp_path)
    assert network is not None
    assert "2 valid pictures cannot show" in caplog.text
    assert metrics_log.read(tmp_path) == []
    again = train(config, data, tmp_path, resume=True)
    assert again is not None
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0)


def test_weights_of_a_file_may_know_the_training_pictures(
    digits: DataSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """So their head is compared on the valid split alone, and not by cross-validation."""
    caplog.set_level(logging.INFO)
    trained = train(quick_config(embedding_dim=9, epochs=6), digits, tmp_path / "first")
    assert trained is not None
    file = tmp_path / "weights.safetensors"
    save_file({name: t.contiguous() for name, t in trained.state_dict().items()}, file)
    config = quick_config(**FEATURES, weights=str(file), epochs=1, lr=1e-9)
    assert train(config, digits, tmp_path / "second") is not None
    (line,) = metrics_log.read(tmp_path / "second")
    told = f"({100 * line['valid_accuracy']:.2f}%): the head is kept"
    assert told in caplog.text


def test_training_goes_on_from_there(digits: DataSet, tmp_path: Path):
    """In three dimensions the random features are right on nine tenths; training adds to that."""
    config = quick_config(**FEATURES | {"embedding_dim": 3}, epochs=6, lr=1e-3)
    assert train(config, digits, tmp_path) is not None
    *_, last = metrics_log.read(tmp_path)
    assert last["stage"] == 1
    assert last["valid_accuracy"] > 0.93


def test_training_that_makes_it_worse_is_not_kept(
    digits: DataSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    config = quick_config(**FEATURES, epochs=1, lr=1.0)  # far too much
    network = train(config, digits, tmp_path)
    (line,) = metrics_log.read(tmp_path)
    assert line["stage"] == 0
    assert line["valid_accuracy"] > 0.8
    assert ": the head is kept" in caplog.text
    assert network is not None


def test_the_better_stage_is_kept(uninterrupted):
    network, _ = uninterrupted
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start = Start(weights, ValidFigures(0.9, 0.3), valid_size=100)
    better = {"valid_accuracy": 0.91, "valid_loss": 0.5}
    assert keep_better_(network, start, better)
    assert better["stage"] == 1
    level = {"valid_accuracy": 0.9, "valid_loss": 0.1}
    assert not keep_better_(network, start, level)
    assert level == {"valid_accuracy": 0.9, "valid_loss": 0.3, "stage": 0}


@pytest.mark.parametrize(("accuracy", "kept"), [(0.86, False), (0.87, True)])
def test_a_lucky_valid_split_does_not_speak_for_the_head(
    uninterrupted, accuracy: float, kept: bool
):
    """0.90 on 100 valid pictures, 0.86 on the training pictures: 0.86 are expected."""
    network, _ = uninterrupted
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start = Start(weights, ValidFigures(0.9, 0.3), valid_size=100, cross_validated=0.86)
    assert keep_better_(network, start, {"valid_accuracy": accuracy, "valid_loss": 0.5}) == kept


def test_a_method_without_a_sphere_is_refused(digits: DataSet, tmp_path: Path):
    with pytest.raises(ConfigError, match="prototypes lie on a sphere"):
        train(quick_config(**FEATURES, method="ce"), digits, tmp_path)
    with pytest.raises(ConfigError, match="--epochs 0 leaves nothing to learn"):
        quick_config(epochs=0)
