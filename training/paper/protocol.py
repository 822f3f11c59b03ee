"""What the paper did and found: its columns, section V-B's hyperparameters, tables I to IV.

A column is a data set on one of the two networks. The `cpu` preset is the same comparison at a
budget that fits two cores.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from training.config.train_config import TrainConfig

Preset = Literal["paper", "cpu"]
Network = Literal["standard", "reduced"]
METHODS = ("ce", "cl", "cpn", "ccl", "sccl", "dpp", "dpnp")
MEASURES = ("accuracy", "min_sep_deg", "mean_sep_deg", "std_deg", "scr")


class Column(NamedTuple):
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


def column(data: str, network: Network) -> Column:
    """The paper reduces to 3-D for ten classes (CIFAR-10), to 10-D for a hundred and more."""
    if network == "standard":
        return Column(data, False, None)
    return Column(data, True, 3 if data in ("cifar10", "digits") else 10)


def configuration(
    preset: Preset, column: Column, method: str, seed: int, source: str, epochs: int | None
) -> TrainConfig:
    """The training run of one cell. `source` is where the data comes from, `--data`'s spelling;
    `epochs` overrides the preset's.
    """
    options = (_paper if preset == "paper" else _cpu)(column, method)
    if epochs is not None:
        options["epochs"] = epochs
    return TrainConfig.of(data=source, method=method, seed=seed, **options)


def _paper(column: Column, method: str) -> dict[str, Any]:
    """Section V-B. The rivals' λ and rates are those of their own papers."""
    small = column.reduced and column.data == "cifar10"
    pos, sample, per_class = (0.01, 0.01, 0.02) if small else (0.1, 0.1, 0.1)
    if column.reduced and not small:
        per_class = 0.2
    options: dict[str, Any] = {
        "backbone": "resnet18-reduced" if column.reduced else "resnet18",
        "embedding_dim": column.dim,
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
    if column.data == "flowers102":
        options |= {"weights": "imagenet", "lr": 0.01, "epochs": 160, "schedule": "late-step"}
        options["warmup_epochs"] = 10 if column.reduced else 0
    return options


def _cpu(column: Column, method: str) -> dict[str, Any]:
    """Minutes a run on two cores: a narrow network, one cycle, and for each method the best of the
    settings that were tried for it on a held-out tenth (docs/comparison.md).
    """
    pos = {"cl": 0.003, "sccl": 0.003}.get(method, 0.001)
    options: dict[str, Any] = {
        "backbone": "tiny",
        "embedding_dim": column.dim,
        "epochs": 20 if column.data == "flowers102" else 3,
        "batch_size": 64 if column.data == "flowers102" else 128,
        "schedule": "onecycle",
        "lr": 0.2 if method == "ce" else 0.1,
        "lambda_pos": pos,
        "lambda_neg_sample": 0.01,
        "lambda_neg_class": 0.02,
        "prototype_init": "similarity",
    }
    if column.reduced:
        options["auxiliary"] = 1.0  # for every method: a narrow embedding alone learns slowly
    return options


class Separation(NamedTuple):
    """A cell of table III, in degrees; None where the source is unreadable."""

    min_sep_deg: float | None
    mean_sep_deg: float
    std_deg: float


# Tables I and II, in percent, by column and method in the order of METHODS.
_ACCURACY = {
    "cifar10-standard": (93.81, 93.87, 92.97, 94.72, 94.91, 95.16, 95.40),
    "cifar100-standard": (75.12, 75.20, 75.11, 77.61, 77.88, 78.56, 79.01),
    "flowers102-standard": (92.16, 93.12, 89.85, 94.25, 94.34, 94.64, 95.18),
    "cifar10-3d": (92.90, 92.96, 90.29, 92.17, 92.52, 93.78, 94.18),
    "cifar100-10d": (71.54, 68.72, 66.65, 71.89, 66.54, 73.39, 73.84),
    "flowers102-10d": (87.52, 89.23, 82.10, 86.22, 88.19, 91.51, 92.19),
}
# Table III.
_SEPARATION = {
    "cifar10-standard": (
        Separation(69.60, 79.54, 7.38),
        Separation(39.24, 44.03, 2.47),
        Separation(None, 68.71, 4.70),
        Separation(34.60, 36.54, 1.10),
        Separation(50.43, 51.38, 0.71),
        Separation(82.44, 86.34, 2.40),
        Separation(91.83, 91.97, 0.18),
    ),
    "cifar100-standard": (
        Separation(50.29, 68.83, 6.35),
        Separation(28.94, 36.38, 3.24),
        Separation(57.10, 68.15, 3.70),
        Separation(29.80, 36.12, 2.95),
        Separation(45.82, 52.56, 2.70),
        Separation(68.64, 72.25, 1.94),
        Separation(84.39, 84.72, 0.31),
    ),
    "cifar10-3d": (
        Separation(51.77, 59.20, 5.62),
        Separation(50.16, 55.88, 3.91),
        Separation(None, 57.97, 4.62),
        Separation(23.70, 27.93, 3.62),
        Separation(30.19, 31.69, 1.08),
        Separation(40.12, 48.60, 6.18),
        Separation(63.71, 64.02, 0.22),
    ),
    "cifar100-10d": (
        Separation(48.15, 55.29, 2.71),
        Separation(39.48, 53.88, 4.16),
        Separation(29.89, 43.92, 7.61),
        Separation(16.76, 18.68, 0.81),
        Separation(4.02, 23.01, 6.04),
        Separation(25.16, 31.38, 1.81),
        Separation(65.82, 66.78, 0.62),
    ),
}
# Table IV.
_SCR = {
    "cifar10-standard": (1.26, 1.77, 1.36, 1.33, 1.89, 1.94, 2.03),
    "cifar10-3d": (3.17, 5.77, 3.62, 11.25, 12.22, 13.70, 17.55),
    "cifar100-standard": (1.12, 1.19, 1.62, 1.50, 1.88, 1.88, 1.99),
    "cifar100-10d": (1.87, 2.62, 1.67, 3.92, 3.93, 5.38, 6.62),
}


def published(column: Column, method: str, measure: str) -> float | None:
    """The paper's figure for a cell; accuracy as a fraction. None where it has none."""
    row, key = METHODS.index(method), column.key
    if measure == "accuracy":
        return _ACCURACY[key][row] / 100 if key in _ACCURACY else None
    if measure == "scr":
        return _SCR[key][row] if key in _SCR else None
    if key not in _SEPARATION:
        return None
    value: float | None = getattr(_SEPARATION[key][row], measure)
    return value
