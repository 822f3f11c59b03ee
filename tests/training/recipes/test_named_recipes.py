"""The recipe `cpu-fast`: Muon for convolutions, the whitened network, options that win over it."""

from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from tests.training.commands.command_line import dpnp
from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.recipes.named_recipes import RECIPES, recipe


def test_every_recipe_is_a_configuration():
    for options in RECIPES.values():
        TrainConfig.of(data="digits", **options)
    with pytest.raises(ConfigError, match="--recipe slow: not one of auto, cpu-fast, finetune"):
        recipe("slow")
    recipe("cpu-fast")["epochs"] = 1000  # a copy: the plan adds to it
    assert RECIPES["cpu-fast"]["epochs"] == 27


def test_options_win_over_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code = dpnp(
        *("train", "--data", "digits", "--recipe", "cpu-fast", "--embedding-dim", 3),
        *("--epochs", 2, "--batch-size", 100, "--lambda-pos", 0.01, "--out", "models/fast"),
        monkeypatch=monkeypatch,
    )
    assert code == 0
    bundle = Bundle.load("models/fast")
    training = bundle.manifest.training
    assert (training["epochs"], training["lambda_pos"]) == (2, 0.01)
    assert (training["optimizer"], bundle.manifest.backbone) == ("muon", "fast")
    assert bundle.manifest.metrics.accuracy > 0.9
