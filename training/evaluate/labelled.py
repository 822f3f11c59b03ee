"""Labelled pictures as a bundle sees them: loaded as the model was trained, and predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Pixels, Prediction, concatenated
from interpret.model.progress import progress
from training.config.errors import DataError
from training.data.batches import in_order
from training.data.datasets import load_data, load_to_measure
from training.data.decisions import Decision, check_present, obeyed
from training.data.inspection import inspect, log_problems
from training.data.splits import DataSet, Split

CHUNK = 512  # pictures decoded and predicted at a time: a bounded part of the memory


@dataclass(frozen=True)
class DataSource:
    """Where labelled pictures come from. `seed` None: split as the model's training was."""

    spec: str  # as `--data` has it
    seed: int | None = None
    root: Path = Path("data")
    download: bool = False


@dataclass(frozen=True)
class LabelledData:
    """A data set with its labels in a bundle's order of classes."""

    data: DataSet
    labels: dict[str, NDArray[np.int64]]  # of each split

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.data.name

    @property
    def splits(self) -> dict[str, Split]:
        """The pictures by split."""
        return self.data.splits

    @property
    def final(self) -> str:
        """The split for final figures: test, valid without one, or any."""
        return self.data.evaluation_split()

    @property
    def held_out(self) -> str:
        """The split that limits are found on: valid, or the final one without it."""
        return "valid" if "valid" in self.splits else self.final

    def chosen(self, split: str | None) -> str:
        """The split asked for, or the final one; raises DataError for one that is not there."""
        split = split or self.final
        if split not in self.splits:
            raise DataError(f"--split {split}: {self.name} has {', '.join(self.splits)}")
        return split


def load_labelled(bundle: Bundle, source: DataSource) -> LabelledData:
    """A data set in the bundle's classes, split as it was when the model was trained.

    Raises DataError, and UnknownLabelError for a class that the model does not have.
    """
    return _in_the_bundles_order(bundle, _load_as_trained(bundle, source))


def load_to_audit(
    bundle: Bundle, source: DataSource, decisions: Sequence[Decision] = ()
) -> LabelledData:
    """A data set as from load_labelled, or, where it is too small for a training, whole, its
    `decisions` obeyed. Raises DataError, and UnknownLabelError.
    """
    try:
        data = _load_as_trained(bundle, source)
    except DataError:
        data = load_to_measure(source.spec, None, root=source.root)
    if decisions:
        check_present(data, decisions)
        data = obeyed(data, decisions, bundle.manifest.class_names)
    return _in_the_bundles_order(bundle, data)


def load_to_evaluate(bundle: Bundle, source: DataSource, split: str | None) -> LabelledData:
    """Pictures to measure a bundle on, in its classes: a folder may lack splits and classes.

    A folder without splits of its own stays whole, unless `split` asks for one of those that
    training makes. Raises DataError, and UnknownLabelError for a class the model does not have.
    """
    training = bundle.manifest.training
    data = load_to_measure(
        source.spec,
        split,
        seed=_seed(bundle, source),
        root=source.root,
        download=source.download,
        valid_share=float(training.get("valid_share", 0.0)),
    )
    return _in_the_bundles_order(bundle, data)


def _load_as_trained(bundle: Bundle, source: DataSource) -> DataSet:
    return load_data(
        source.spec,
        seed=_seed(bundle, source),
        root=source.root,
        download=source.download,
        valid_share=float(bundle.manifest.training.get("valid_share", 0.0)),
    )


def _seed(bundle: Bundle, source: DataSource) -> int:
    return int(bundle.manifest.training.get("seed", 0) if source.seed is None else source.seed)


def _in_the_bundles_order(bundle: Bundle, data: DataSet) -> LabelledData:
    log_problems(inspect(data))
    index = np.array([bundle.class_index(name) for name in data.class_names])
    fitted = data.with_fit(bundle.manifest.fit)
    labels = {name: index[split.labels] for name, split in data.splits.items()}
    return LabelledData(fitted, labels)


def predict_split(
    predict: Callable[[Pixels], Prediction], split: Split, size: int, title: str
) -> Prediction:
    """What `predict` computes for every picture of a split, at `size` pixels, CHUNK at a time."""
    parts = []
    with progress() as bar:
        task = bar.add_task(title, total=len(split))
        for rows in in_order(len(split), CHUNK):
            part = split.subset(rows.numpy())
            parts.append(predict(part.pixels(size, "")))
            bar.advance(task, len(part))
    return concatenated(parts)
