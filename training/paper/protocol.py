"""What the paper did: its settings, its tables and figures, and section V-B's hyperparameters.

A setting is a data set on one of the two networks. Two presets make the same comparison at a
smaller budget: `cpu` from a pretrained network, `scratch` with the recipe `cpu-fast`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from training.config.train_config import TrainConfig
from training.recipes.named_recipes import recipe

Preset = Literal["paper", "cpu", "scratch"]
Network = Literal["standard", "reduced"]
MEASURES = ("accuracy", "min_sep_deg", "mean_sep_deg", "std_deg", "scr")


class Setting(NamedTuple):
    """A column of the paper's tables: a data set on the standard or on the reduced network."""

    data: str  # the data set's name in the paper, or the user's own
    reduced: bool
    dim: int | None  # of the reduced network's embedding

    @property
    def key(self) -> str:
        """Its name in files: cifar10-standard, cifar10-3d."""
        return f"{self.data}-{f'{self.dim}d' if self.reduced else 'standard'}"


class Target(NamedTuple):
    """A table or figure of the paper: the networks it covers, and the data sets by default."""

    networks: tuple[Network, ...]
    data: tuple[str, ...]
    measures: tuple[str, ...] = ()  # of a table


_CIFAR = ("cifar10", "cifar100")
_BOTH: tuple[Network, ...] = ("standard", "reduced")
TARGETS = {
    "table1": Target(("standard",), (*_CIFAR, "flowers102"), ("accuracy",)),
    "table2": Target(("reduced",), (*_CIFAR, "flowers102"), ("accuracy",)),
    "table3": Target(_BOTH, _CIFAR, ("min_sep_deg", "mean_sep_deg", "std_deg")),
    "table4": Target(_BOTH, _CIFAR, ("scr",)),
    "fig3": Target(_BOTH, _CIFAR),
    "fig4": Target(_BOTH, _CIFAR),
    "fig5": Target(("reduced",), ("cifar10",)),
    "all": Target(_BOTH, (*_CIFAR, "flowers102"), MEASURES),
}


def setting_of(data: str, network: Network) -> Setting:
    """The paper reduces to 3-D for ten classes (CIFAR-10), to 10-D for a hundred and more."""
    if network == "standard":
        return Setting(data, False, None)
    return Setting(data, True, 3 if data in ("cifar10", "digits") else 10)


def configuration(
    preset: Preset, setting: Setting, method: str, seed: int, source: str, epochs: int | None
) -> TrainConfig:
    """The training run of one cell. `source` is where the data comes from, `--data`'s spelling;
    `epochs` overrides the preset's.
    """
    options = {"paper": _paper, "cpu": _cpu, "scratch": _scratch}[preset](setting, method)
    if epochs is not None:
        options["epochs"] = epochs
    return TrainConfig.of(data=source, method=method, seed=seed, **options)


# Learning rate and λ_pos of each method, and λ_pos of each from scratch: tuned on CIFAR-10 in 3-D.
_TUNED: dict[str, tuple[float, float]] = {
    "ce": (0.005, 0.0),
    "cl": (0.01, 0.03),
    "cpn": (0.003, 0.03),
    "ccl": (0.005, 0.01),
    "sccl": (0.003, 0.1),
    "dpp": (0.003, 0.01),
    "dpnp": (0.003, 0.1),
}
_TUNED_FROM_SCRATCH = {
    "ce": 0.0,
    "cl": 0.01,
    "cpn": 0.001,
    "ccl": 0.001,
    "sccl": 0.001,
    "dpp": 0.003,
    "dpnp": 0.01,
}
_PULL_RISES = 20  # the recipe's λ_pos over its first one


def _paper(setting: Setting, method: str) -> dict[str, Any]:
    """Section V-B. The rivals' λ and rates are those of their own papers."""
    small = setting.reduced and setting.data == "cifar10"
    pos, sample, per_class = (0.01, 0.01, 0.02) if small else (0.1, 0.1, 0.1)
    if setting.reduced and not small:
        per_class = 0.2
    options: dict[str, Any] = {
        "backbone": "resnet18-reduced" if setting.reduced else "resnet18",
        "embedding_dim": setting.dim,
        "epochs": 200,
        "batch_size": 64,
        "schedule": "step",
        "lr": 0.1,
        "prototype_lr": None if method == "cl" else 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "lambda_pos": {"cl": 0.003, "cpn": 0.001}.get(method, pos),
        "lambda_neg_sample": sample,
        "lambda_neg_class": per_class,
        "radius": 40.0,
        "prototype_init": "random",
    }
    if setting.data == "flowers102":
        options |= {"weights": "imagenet", "lr": 0.01, "epochs": 160, "schedule": "late-step"}
        options["warmup_epochs"] = 10 if setting.reduced else 0
    return options


def _cpu(setting: Setting, method: str) -> dict[str, Any]:
    """Minutes a run on two cores: a network that was trained on ImageNet goes on at 64 pixels, and
    nearly fits its pictures in a few epochs. Each method has the best of the rates and weights
    that were tried for it on a held-out tenth (docs/comparison.md).
    """
    lr, lambda_pos = _TUNED[method]
    return {
        "backbone": "timm:tf_efficientnet_lite0",
        "weights": "pretrained",
        "embedding_dim": setting.dim,
        "image_size": 64,
        "epochs": 20 if setting.data == "flowers102" else 3,
        "batch_size": 64 if setting.data == "flowers102" else 128,
        "optimizer": "sgd",
        "norms": "frozen",
        "lr": lr,
        "radius": 10.0,
        "lambda_pos": lambda_pos,
        "lambda_neg_sample": 0.01,
        "lambda_neg_class": 0.02,
        "prototype_init": "similarity",
    }


def _scratch(setting: Setting, method: str) -> dict[str, Any]:
    """Some 40 minutes a run on one core: the recipe for CPUs, for pictures of some 32 pixels. Each
    method has the best of the pull weights that were tried for it on a held-out tenth
    (docs/comparison.md).
    """
    lambda_pos = _TUNED_FROM_SCRATCH[method]
    return recipe("cpu-fast") | {
        "embedding_dim": setting.dim,
        "epochs": 20,
        "lambda_pos": lambda_pos,
        "lambda_pos_start": lambda_pos / _PULL_RISES or None,
        "prototype_lr": None if method == "cl" else recipe("cpu-fast")["prototype_lr"],
    }
