"""Whether a model's promise holds when pictures come in another way: coverage by benign change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.model.predictor import Prediction, Predictor, concatenated
from interpret.trust.calibration import Limits, find_limits, kept
from interpret.trust.ood_scores import verdict_shares
from training.data.benign_changes import NAMED, STRONGEST, changed, randomly_changed
from training.data.splits import Split
from training.evaluate.labelled import LabelledData, predict_split

STRONGEST_EVERY = 3  # of the changed copies


class UnderChange(NamedTuple):
    """Figures of labelled pictures under one benign change, each a share of them."""

    change: str
    accuracy: float
    kept: float  # of the pictures whose class is kept: the coverage
    verdicts: dict[str, float]


def in_copies(
    predictor: Predictor, prediction: Prediction, pictures: Split, changes: int, title: str
) -> Prediction:
    """The prediction of pictures as they are, then of them under so many benign `changes`: every
    third is the strongest one, the others are random.

    Limits that are found on random changes alone are too tight for the one that takes most, for few
    of the copies are under it.
    """
    strongest = predict_split(
        predictor, changed(pictures, STRONGEST), predictor.input_size, f"{title}, changed"
    )
    parts = [prediction._replace(evidence=None)]
    for number in range(changes):
        if number % STRONGEST_EVERY == 0:
            parts.append(strongest)
        else:
            # Novelty was fitted with seed 0.
            other = randomly_changed(pictures, number)
            parts.append(predict_split(predictor, other, predictor.input_size, f"{title}, changed"))
    return concatenated(parts)


def limits_of(bundle: Bundle, predictor: Predictor, data: LabelledData) -> Limits:
    """The limits of a calibrated bundle, found again on the pictures that it was calibrated on.

    Raises DpnpError for a bundle without limits, and for other pictures than those.
    """
    found = bundle.manifest.calibration
    if found is None:
        raise DpnpError(f"{bundle.path}: not calibrated, so it promises no coverage")
    if found.split not in data.splits:
        raise DpnpError(f"{data.name}: no split {found.split}, which the limits were found on")
    pictures, labels = data.splits[found.split], data.labels[found.split]
    prediction = predict_split(predictor, pictures, predictor.input_size, found.split)
    whole = in_copies(predictor, prediction, pictures, found.changes, found.split)
    copies = found.changes + 1
    limits = find_limits(whole, np.tile(labels, copies), found.coverage, copies)
    if not np.allclose(limits.max_distance, found.max_distance, rtol=0.01, atol=0.01):
        raise DpnpError(
            f"{data.name}: {found.split} gives other limits than the bundle has; calibrate it anew"
        )
    return limits


def under_changes(
    bundle: Bundle,
    predictor: Predictor,
    data: LabelledData,
    split: str,
    limits: Limits,
    pictures: int,
) -> list[UnderChange]:
    """Coverage, accuracy and the bundle's verdicts of up to `pictures` pictures of a split, evenly
    over it, under each named benign change; `limits` are those of `limits_of`.
    """
    whole = data.splits[split]
    rows = np.unique(np.linspace(0, len(whole) - 1, pictures).astype(np.int64))
    some, labels, found = whole.subset(rows), data.labels[split][rows], []
    for name, change in NAMED.items():
        trial = predict_split(predictor, changed(some, change), predictor.input_size, name)
        found.append(
            UnderChange(
                name,
                float((trial.answers == labels).mean()),
                float(kept(trial, labels, limits).mean()),
                verdict_shares(trial, bundle.manifest),
            )
        )
    return found
