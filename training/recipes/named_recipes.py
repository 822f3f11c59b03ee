"""Named settings of `dpnp train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.config.errors import ConfigError

# For an hour of two CPU cores with AVX512-BF16 on some 50,000 pictures of 32 pixels.
_CPU_FAST: dict[str, Any] = {
    "backbone": "fast",
    "epochs": 27,
    "batch_size": 500,
    "optimizer": "muon",
    "lr": 0.5,
    "momentum": 0.85,
    "auxiliary": 1.0,
    "prototype_init": "similarity",
    "prototype_lr": 0.005,
    "lambda_pos": 0.01,
    "lambda_pos_start": 0.0005,
    "lambda_neg_sample": 0.01,
    "lambda_neg_class": 0.02,
}
# From a pretrained network: docs/photographs.md has the study. What depends on the pictures, the
# machine and the time (size, epochs, dimensions) is the plan's: see plan.
FINETUNE: dict[str, Any] = {
    "backbone": "timm:tf_efficientnet_lite0",
    "weights": "pretrained",
    "head_start": "features",
    "norms": "frozen",
    "optimizer": "adamw",
    "lr": 3e-4,
    "weight_decay": 0.02,
    "label_smoothing": 0.1,
    "radius": 10.0,
    "prototype_init": "similarity",
    "prototype_lr": 0.0,
}
RECIPES = {"auto": {}, "cpu-fast": _CPU_FAST, "finetune": FINETUNE}  # auto: see plan


def recipe(name: str) -> dict[str, Any]:
    """The options that the recipe `name` sets. Raises ConfigError for one that is not known."""
    if name not in RECIPES:
        raise ConfigError(f"--recipe {name}: not one of {', '.join(RECIPES)}")
    return dict(RECIPES[name])


def with_recipe(given: Mapping[str, object]) -> dict[str, object]:
    """The options that were given, over those of the recipe that they name, if any."""
    name = given.get("recipe")
    return dict(given) if name is None else recipe(str(name)) | dict(given)
