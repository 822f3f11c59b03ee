"""The plan of a run: which recipe, size and epochs suit the pictures, the machine and the time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.inspection import Inspection
from training.data.splits import DataSet
from training.recipes.named_recipes import FINETUNE, recipe
from training.recipes.time_budget import Rates, decoding_seconds, measure_rates
from training.run.metrics_log import spoken

CPU_MINUTES = 10.0  # the budget where none is given and there is no GPU
SMALL_SIDE = 48  # pixels: smaller pictures are drawings and icons, and train from scratch
MANY = 20_000  # small pictures from which the recipe cpu-fast pays
_ENLARGED = 1.5  # how far small pictures are enlarged for a pretrained network, at most
_MOST_EPOCHS = 40  # from scratch
_MOST_DIMENSIONS = 256
_FEWEST_DIMENSIONS = 3  # so that the embedding can be looked at
_START_AND_EXPORT = 15.0  # seconds beside all that grows with the pictures
_RESERVE = 0.95  # of the budget that the plan uses: what is measured in seconds varies
_UNEQUAL = 3.0  # ratio of the largest to the smallest class, from which their sizes are balanced
# Of a narrow embedding: the share of the epochs after those in a wide one, and their pull.
_NARROW_SHARE = 0.25
_NARROW = MappingProxyType({"lambda_pos": 0.5, "lambda_pos_start": 0.01})
_VALID_SHARE = 0.1  # held out where the data has no valid split


class _Choice(NamedTuple):
    """A pretrained network whose weights need no network connection."""

    network: str
    sizes: tuple[int, ...]  # pixels, ascending, at which it may see a picture
    enough: int = 8  # epochs: a smaller size, or the next network, is taken when fewer fit
    most: int = 20  # epochs, however much time there is
    options: Mapping[str, Any] = MappingProxyType({})

    @property
    def most_of_both(self) -> int:
        """The epochs of a wide and a narrow embedding together, at most: `most` of the wide one."""
        return round(self.most / (1 - _NARROW_SHARE))


# The better and slower one first: see docs/photographs.md.
_CHOICES = (
    _Choice("timm:tf_efficientnet_lite2", (224, 256)),
    _Choice("timm:tf_efficientnet_lite0", (96, 128, 160, 192, 224)),
)
# Of small pictures, where there is time for many epochs: enlarged further, and mixed in pairs.
_SMALL_AND_LONG = _Choice(
    "timm:tf_efficientnet_lite2",
    (160,),
    14,
    26,
    MappingProxyType({"cutmix": 0.5, "lr": 7e-4, "batch_size": 64}),
)
_SMALLEST_ENLARGED = 64  # pixels of a picture's side: 2.5 times as many are 160


@dataclass(frozen=True)
class Plan:
    """What a run will do: its options, why in words, and the seconds it should take."""

    options: dict[str, Any]
    words: str
    seconds: float | None  # None: not estimated

    def sentence(self) -> str:
        """The plan in a line."""
        if self.seconds is None:
            return f"plan: {self.words}"
        return f"plan: {self.words}; about {spoken(self.seconds)} in all"


def needs_plan(given: Mapping[str, object]) -> bool:
    """Whether the options leave the choice of a network to the plan."""
    name = given.get("recipe")
    return name in ("auto", "finetune") or (name is None and "backbone" not in given)


def plan_for(
    data: DataSet, given: Mapping[str, Any], found: Inspection, spent: float = 0.0
) -> Plan:
    """The plan for a data set, what a look at it has `found`, and the options that were given,
    which win over the plan. `spent` are the seconds of the budget that are gone.

    Raises ConfigError for a budget that nothing fits into.
    """
    named = given.get("recipe")
    if named == "finetune" or data.image_size >= SMALL_SIDE:
        return _finetune(data, given, found, spent)
    return _from_scratch(data, given, found, spent)


def _finetune(data: DataSet, given: Mapping[str, Any], found: Inspection, spent: float) -> Plan:
    classes, train = len(data.class_names), data.splits["train"]
    options = dict(FINETUNE) | {
        "recipe": "finetune",
        "embedding_dim": min(max(classes - 1, _FEWEST_DIMENSIONS), _MOST_DIMENSIONS),
        "batch_size": 32 if len(train) < 20_000 else 64,
    }
    if found.imbalance > _UNEQUAL:
        options["balance"] = "logits"
    if "valid" not in data.splits and _can_hold_out(data):
        options["valid_share"] = _VALID_SHARE
    budget = _seconds_of(given)
    choices = _choices(data.image_size, given)
    if budget is None:
        best = choices[0]
        options |= {
            "backbone": best.network,
            "image_size": best.sizes[-1],
            "epochs": best.most,
            **best.options,
        }
        if _is_narrow(given, classes):
            options |= _width_first(best.most_of_both)
        return Plan(options | dict(given), _words(data, options | dict(given), found), None)
    for choice in choices:
        sizes = choice.sizes
        options["backbone"] = choice.network
        middle = sizes[len(sizes) // 2]
        cost = _Cost.of(data, decoding_seconds(train, middle), spent)
        rates = measure_rates(_config(options | dict(given), data), middle)
        fitting = [
            size
            for size in sizes
            if cost.epochs_within(budget, _scaled(rates, size / middle)) >= choice.enough
        ]
        if fitting:
            options |= choice.options
            break
    size = fitting[-1] if fitting else sizes[0]
    if size != middle:
        rates = measure_rates(_config(options | dict(given), data), size)
    narrow = _is_narrow(given, classes)
    cost = replace(cost, starts=2) if narrow else cost
    most = cost.epochs_within(budget, rates)
    if most < 0 and "epochs" not in given:
        raise ConfigError(
            f"--minutes {budget / 60:g}: reading the pictures and one look at each take about "
            f"{spoken(cost.fixed(rates))}"
        )
    checked = "valid" in data.splits or "valid_share" in options or "valid_share" in given
    # What nothing can be held out from to check would be kept even if training made it worse.
    limit = choice.most_of_both if narrow else choice.most
    epochs = int(given.get("epochs", min(most, limit) if checked else 0))
    options |= {"image_size": size, "epochs": epochs}
    if narrow:
        options |= _width_first(epochs)
    seconds = cost.fixed(rates) + epochs * cost.epoch(rates)
    return Plan(options | dict(given), _words(data, options | dict(given), found), seconds)


def _is_narrow(given: Mapping[str, Any], classes: int) -> bool:
    """Whether a wide embedding is trained before the narrow one that was asked for."""
    dim = given.get("embedding_dim")
    return dim is not None and int(dim) < classes - 1 and not {"epochs", "wide_epochs"} & set(given)


def _width_first(epochs: int) -> dict[str, Any]:
    """The epochs of both stages; nothing where there are too few of them."""
    narrow = round(_NARROW_SHARE * epochs)
    if not narrow:
        return {}
    return {"wide_epochs": epochs - narrow, "epochs": narrow, **_NARROW}


def _choices(side: int, given: Mapping[str, Any]) -> list[_Choice]:
    """The networks that may be taken, the better one first, each with its sizes."""
    last = _CHOICES[-1]
    if "image_size" in given:
        choices = [each._replace(sizes=(int(given["image_size"]),)) for each in _CHOICES]
    else:
        choices = [each._replace(sizes=_sizes(side, each.sizes)) for each in _CHOICES]
        choices[-1] = choices[-1]._replace(sizes=choices[-1].sizes or last.sizes[:1])
        if not choices[0].sizes and side >= _SMALLEST_ENLARGED:
            choices[0] = _SMALL_AND_LONG
    if "backbone" in given:
        return [choices[-1]._replace(network=str(given["backbone"]))]
    return [each for each in choices if each.sizes]


def _from_scratch(data: DataSet, given: Mapping[str, Any], found: Inspection, spent: float) -> Plan:
    train = data.splits["train"]
    many = len(train) >= MANY
    options: dict[str, Any] = recipe("cpu-fast") if many else {"backbone": "small", "lr": 0.05}
    if many:
        options["recipe"] = "cpu-fast"
    else:
        options |= {"batch_size": 32, "embedding_dim": max(3, min(len(data.class_names) - 1, 64))}
    budget = _seconds_of(given)
    epochs, seconds = int(options.get("epochs", _MOST_EPOCHS)), None
    if budget is not None:
        config = _config(options | dict(given), data)
        size = config.image_size or data.image_size
        rates = measure_rates(config, size)
        cost = _Cost.of(data, decoding_seconds(train, size), spent)
        fitting = max(1, cost.epochs_within(budget, rates))
        epochs = int(given.get("epochs", min(epochs, fitting)))
        seconds = cost.fixed(rates) + epochs * cost.epoch(rates)
    options["epochs"] = epochs
    words = (
        f"{_pictures(data, found)}: from scratch, backbone {options['backbone']}, {epochs} epochs"
    )
    return Plan(options | dict(given), words, seconds)


@dataclass(frozen=True)
class _Cost:
    """What a run costs beside the network's rates: how often it looks at how many pictures."""

    train: int
    valid: int
    test: int
    decoding: float  # seconds a picture
    spent: float  # seconds
    starts: int = 1  # heads fitted to the features of all training pictures

    @classmethod
    def of(cls, data: DataSet, decoding: float, spent: float) -> _Cost:
        sizes = {name: len(split) for name, split in data.splits.items()}
        return cls(sizes["train"], sizes.get("valid", 0), sizes.get("test", 0), decoding, spent)

    def fixed(self, rates: Rates) -> float:
        """Seconds beside the epochs: decoding for training, for export and for thumbnails; the
        features; and what export computes for every split.
        """
        decoded = 3 * self.train + 2 * self.valid + self.test
        seen = (2 + self.starts) * self.train + 4 * self.valid + self.test
        return self.spent + _START_AND_EXPORT + decoded * self.decoding + seen * rates.inference

    def epoch(self, rates: Rates) -> float:
        """Seconds of an epoch."""
        return self.train * rates.training + self.valid * rates.inference

    def epochs_within(self, budget: float, rates: Rates) -> int:
        """Whole epochs that fit; below 0 where not even the rest does."""
        return math.floor((_RESERVE * budget - self.fixed(rates)) / self.epoch(rates))


def _sizes(side: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Those sizes that pay for pictures of this side: enlarging a picture adds nothing to see."""
    return tuple(size for size in sizes if size <= _ENLARGED * side)


def _scaled(rates: Rates, factor: float) -> Rates:
    """The rates at another size: the work grows with the area."""
    return Rates(rates.training * factor**2, rates.inference * factor**2)


def _seconds_of(given: Mapping[str, Any]) -> float | None:
    minutes = given.get("minutes")
    if minutes is None and not torch.cuda.is_available():
        minutes = CPU_MINUTES
    return None if minutes is None else 60.0 * float(minutes)


def _config(options: Mapping[str, Any], data: DataSet) -> TrainConfig:
    own = {name: options[name] for name in TrainConfig.model_fields if name in options}
    return TrainConfig.of(**{"data": data.name} | own)


def _can_hold_out(data: DataSet) -> bool:
    """Whether every class has enough training pictures for a tenth of them to be held out."""
    labels = data.splits["train"].labels
    counts = [int((labels == label).sum()) for label in range(len(data.class_names))]
    return min(counts) >= math.ceil(0.5 / _VALID_SHARE) + 1


def _words(data: DataSet, options: Mapping[str, Any], found: Inspection) -> str:
    epochs = options["epochs"]
    trained = f"{epochs} epochs" if epochs else "its head alone"
    if wide := options.get("wide_epochs"):
        trained = (
            f"{wide} epochs in {len(data.class_names) - 1} dimensions, then {epochs} in "
            f"{options['embedding_dim']}"
        )
    balanced = ", classes of unequal size balanced" if options.get("balance") == "logits" else ""
    return (
        f"{_pictures(data, found)}: pretrained {options['backbone']}, {options['image_size']} "
        f"pixels, {trained}{balanced}"
    )


def _pictures(data: DataSet, found: Inspection) -> str:
    if found.sizes is None:
        sizes = f"{data.image_size}"
    else:
        least, most = found.sizes.shorter.least, found.sizes.longer.most
        sizes = f"{least:,.0f} to {most:,.0f}" if least < most else f"{most:,.0f}"
    return f"pictures of {sizes} pixels, {found.training:,} for training"
