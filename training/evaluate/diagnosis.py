"""What a trained model's accuracy means, in words, and what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from interpret.trust.intervals import wilson_interval

Grade = Literal["unclear", "bad", "weak", "good"]
Cause = Literal["underfitted", "overfitted", "too few pictures", "none"]

# Skill is the share of the way from guessing to perfect: (accuracy − chance) / (1 − chance), which
# makes 68 % of two classes and 44 % of eight what they are. It is Cohen's kappa against a constant
# answer, for which Landis and Koch 1977 call up to 0.4 "fair" and above 0.8 "almost perfect". Below
# a half, most of what guessing leaves open stays wrong. Three quarters are 87.5 % of two classes
# and 78 % of eight: what a day's tool is worth, and what pretrained features nearly always reach.
_BAD, _GOOD = 0.5, 0.75
# Points between training and test from which even a good model is called overfitted: less is
# ordinary, and more pictures change little.
_GAP = 0.05
# Width of the interval from which it is called wide: two models that are five points apart on
# either side cannot be told from each other. At 90 % right that is fewer than 140 pictures.
_WIDE = 0.10
_SMALL_SIDE = 48  # pixels, below which a network pretrained on photographs has little to see
_PRETRAINED = "--backbone timm:tf_efficientnet_lite0 --weights pretrained"
_USUAL_MINUTES = 10.0


@dataclass(frozen=True)
class Measured:
    """What a diagnosis is made from. Shares are fractions."""

    right: int  # of `examples` pictures that the model was not trained on
    examples: int
    chance: float  # accuracy of the best constant answer, at least 1 / classes
    train_accuracy: float
    training: Mapping[str, Any]  # the training configuration, as the manifest has it
    input_size: int

    @property
    def accuracy(self) -> float:
        """The share of the pictures that the model is right on."""
        return self.right / self.examples if self.examples else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson_interval(self.right, self.examples)

    @property
    def skill(self) -> float:
        """How far the accuracy is from guessing (0) to perfect (1)."""
        return (self.accuracy - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0


@dataclass(frozen=True)
class Diagnosis:
    """How good a model is, what it lacks, and what to try, each in sentences."""

    grade: Grade
    cause: Cause
    sentences: tuple[str, ...]


def diagnose(measured: Measured) -> Diagnosis:
    """Judge a model by its accuracy on the pictures kept apart, against guessing and training."""
    grade, cause = _grade(measured), _cause(measured)
    sentences = [_verdict(measured, grade), _reason(measured, cause)]
    low, high = measured.interval
    if high - low > _WIDE:
        sentences.append(
            f"The interval is wide, for it is of {_pictures(measured.examples)}: the accuracy may "
            f"be anything from {low:.0%} to {high:.0%}. More pictures kept apart make it narrower."
        )
    return Diagnosis(grade, cause, tuple(filter(None, sentences)))


def _grade(measured: Measured) -> Grade:
    low, _ = measured.interval
    if measured.skill < _BAD:
        return "bad"
    if low <= measured.chance:
        return "unclear"
    return "good" if measured.skill >= _GOOD else "weak"


def _cause(measured: Measured) -> Cause:
    """Where most of the errors come from: those that are made on the training pictures too, or
    those that are made on new ones alone.
    """
    missing = 1 - measured.train_accuracy
    gap = measured.train_accuracy - measured.accuracy
    beyond_chance = measured.train_accuracy > measured.interval[1]
    if _grade(measured) == "unclear":
        return "too few pictures"
    if _grade(measured) == "good":
        return "overfitted" if beyond_chance and gap > max(_GAP, missing) else "none"
    if missing >= gap:
        return "underfitted"
    return "overfitted" if beyond_chance else "too few pictures"


def _verdict(measured: Measured, grade: Grade) -> str:
    accuracy, chance = f"{measured.accuracy:.1%}", f"{measured.chance:.1%}"
    if grade == "good":
        return f"This model is good: {accuracy} are right, where guessing is right on {chance}."
    if grade == "unclear":
        return (
            f"Nobody can tell whether this model is good: {accuracy} are right, but of "
            f"{_pictures(measured.examples)}, and guessing is right on {chance}."
        )
    if measured.interval[0] <= measured.chance:
        return (
            f"This model is bad: {accuracy} cannot be told from guessing, which is right on "
            f"{chance}."
        )
    word = "bad" if grade == "bad" else "weak"
    return f"This model is {word}: {accuracy} are right, where guessing is right on {chance}. " + (
        "Do not use it." if grade == "bad" else "Look at its answers before you rely on them."
    )


def _reason(measured: Measured, cause: Cause) -> str:
    train = f"{measured.train_accuracy:.0%}"
    if cause == "underfitted":
        return f"Training is at {train} too: underfitted. Try {_more_training(measured)}."
    if cause == "overfitted":
        return (
            f"Training is at {train}: overfitted, it knows those pictures by heart. "
            f"Try {_less_by_heart(measured)}."
        )
    if cause == "too few pictures":
        return f"Training is at {train}. Try more pictures of every class, in all splits."
    return ""


def _more_training(measured: Measured) -> str:
    training = measured.training
    if "minutes" in training:
        minutes = 2 * float(training["minutes"] or _USUAL_MINUTES)
        time = f"more minutes (--minutes {minutes:g})"
    else:
        time = f"more epochs (--epochs {2 * int(training.get('epochs') or 10)})"
    if _pretrained_would_help(measured):
        return f"{time}, or a pretrained backbone ({_PRETRAINED})"
    return f"{time}, or a larger backbone (--backbone)"


def _less_by_heart(measured: Measured) -> str:
    ways = ["more pictures"]
    if measured.training.get("augment") == "crop":
        ways.append("--augment strong")
    if _pretrained_would_help(measured):
        ways.append(f"a pretrained backbone ({_PRETRAINED})")
    return ", ".join(ways[:-1]) + " or " + ways[-1] if len(ways) > 1 else ways[0]


def _pretrained_would_help(measured: Measured) -> bool:
    return measured.training.get("weights") is None and measured.input_size >= _SMALL_SIDE


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
