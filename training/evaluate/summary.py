"""What a person wants to know at the end of a training run, as one value."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration, Confusion
from interpret.bundle.manifest import ClassFigures
from interpret.model.predictor import Prediction
from interpret.trust.confusion import confusion_matrix, confusions
from interpret.trust.per_class import (
    balanced_accuracy,
    class_figures,
    imbalance,
    worst_classes,
)
from training.data.splits import DataSet
from training.evaluate.diagnosis import Diagnosis, Measured, diagnose
from training.evaluate.label_suspects import Suspects, count_suspects

_SPLITS = ("train", "valid", "test")  # in the order in which they are told
WEAKEST, CONFUSIONS = 3, 3  # named in a summary
# Ratio of the largest to the smallest class from which accuracy hides what happens to the small
# ones: at 3 to 1, a model of two classes that never answers the smaller is right on 75 %.
UNEQUAL = 3.0


@dataclass(frozen=True)
class Summary:
    """How good a bundle is, in figures and in words. Shares are fractions."""

    path: Path
    fingerprint: str
    classes: int
    pictures: dict[str, int]  # by split
    split: str  # the one that was measured on
    examples: int
    accuracy: float
    interval: tuple[float, float]  # of 95 %, of the accuracy
    largest_class: float  # accuracy of always answering the split's largest class
    uniform: float  # accuracy of drawing a class: 1 / classes
    train_accuracy: float
    valid_accuracy: float | None  # None: there is no valid split, or it is `split`
    imbalance: float  # of the training pictures: the largest class over the smallest
    balanced_accuracy: float | None  # None: the classes are of about one size
    diagnosis: Diagnosis
    weakest: tuple[ClassFigures, ...]
    confusions: tuple[Confusion, ...]
    suspects: Suspects
    calibration: Calibration | None
    next_commands: tuple[str, ...]  # ready to copy


def summarise(
    bundle: Bundle,
    data: DataSet,
    predictions: Mapping[str, Prediction],
    data_root: Path = Path("data"),
) -> Summary:
    """The summary of a bundle that was trained on `data`, whose splits it predicted, `train` and
    the final one among them.
    """
    manifest, split = bundle.manifest, data.evaluation_split()
    labels = {name: data.splits[name].labels for name in predictions}
    right = {name: predictions[name].answers == labels[name] for name in predictions}
    accuracy = {name: float(own.mean()) if len(own) else 0.0 for name, own in right.items()}
    classes = len(data.class_names)
    matrix = confusion_matrix(labels[split], predictions[split].answers, classes)
    figures = class_figures(matrix, data.class_names)
    unequal = imbalance(np.bincount(labels["train"], minlength=classes))
    largest = float(matrix.sum(1).max() / max(matrix.sum(), 1))
    measured = Measured(
        right=int(right[split].sum()),
        examples=len(labels[split]),
        chance=max(largest, 1 / classes),
        train_accuracy=accuracy["train"],
        training=manifest.training,
        input_size=manifest.input_size,
    )
    return Summary(
        path=_short(bundle.path),
        fingerprint=manifest.fingerprint,
        classes=classes,
        pictures={n: len(data.splits[n]) for n in _SPLITS if n in data.splits},
        split=split,
        examples=measured.examples,
        accuracy=measured.accuracy,
        interval=measured.interval,
        largest_class=largest,
        uniform=1 / classes,
        train_accuracy=accuracy["train"],
        valid_accuracy=None if split == "valid" else accuracy.get("valid"),
        imbalance=unequal,
        balanced_accuracy=balanced_accuracy(figures) if unequal > UNEQUAL else None,
        diagnosis=diagnose(measured),
        weakest=tuple(worst_classes(figures, WEAKEST)),
        confusions=tuple(confusions(matrix, data.class_names)[:CONFUSIONS]),
        suspects=count_suspects(predictions, labels),
        calibration=manifest.calibration,
        next_commands=_next_commands(bundle, data, predictions[split], split, data_root),
    )


def _next_commands(
    bundle: Bundle, data: DataSet, prediction: Prediction, split: str, data_root: Path
) -> tuple[str, ...]:
    """Commands for a shell: explain a picture, look at the model, the errors and the labels, and
    serve.
    """
    spec = str(bundle.manifest.training.get("data", data.name))
    path, own = shlex.quote(str(_short(bundle.path))), f"--data {shlex.quote(spec)}"
    if not spec.startswith("folder:") and data_root != Path("data"):
        own += f" --data-root {shlex.quote(str(data_root))}"
    picture = shlex.quote(_telling_picture(spec, data, prediction, split))
    return (
        f"dpnp explain {path} {picture} --out explanation.png",
        f"dpnp evaluate {path} {own} --split {split} --html evaluation.html",
        f"dpnp audit {path} {own} --out audit.html",
        f"dpnp report {path} --out report.html",
        f"dpnp serve {path}",
    )


def _telling_picture(spec: str, data: DataSet, prediction: Prediction, split: str) -> str:
    """The file of the surest wrong answer, of any answer where none is wrong; a name to replace
    where the pictures are not files.
    """
    if not spec.startswith("folder:"):
        return "photo.jpg"
    own, answers = data.splits[split], prediction.answers
    sure = prediction.probabilities.max(1) * (answers != own.labels)
    folder = Path(spec.removeprefix("folder:")).expanduser()
    return str(folder / own.sources[int(sure.argmax())])


def _short(path: Path) -> Path:
    """A path as a person would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
