"""How many labels of a data set look wrong, from what was embedded already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.model.predictor import Prediction
from interpret.trust.audit import label_suspicion

# Skill (see training.evaluate.diagnosis) below which a model names no suspects: of the pictures on
# which it disagrees with the label, most would be its own mistakes.
_TELLS = 0.6
_PROBABLE = 0.5  # suspicion: the probability that the label is wrong
# A larger share of suspects says more about the model than about the labels: the test sets that
# Northcutt et al. 2021 checked by hand have 3 % of wrong labels, the worst of them 10 %.
_MOST = 0.2
# Pictures × dimensions × classes: the probes' ten fits take seconds up to here, then minutes.
_QUICK = 5_000_000


class Suspects(NamedTuple):
    """How many labels look wrong; None where that was not told, for the reason `why`."""

    number: int | None
    why: str = ""


def count_suspects(
    predictions: Mapping[str, Prediction], labels: Mapping[str, NDArray[np.int64]], skill: float
) -> Suspects:
    """The number of labels that are more probably wrong than right, over the splits predicted.

    `dpnp audit` lists more: every label that the model would rather change, surest first. On the
    digits, of whose labels it would change 67 after three epochs, none is counted here; with 5 % of
    the labels changed at random 67 are, of which 65 were.
    """
    names = [name for name in predictions if len(labels[name])]
    embeddings = np.concatenate([predictions[name].embedding for name in names])
    probabilities = np.concatenate([predictions[name].probabilities for name in names])
    own = np.concatenate([labels[name] for name in names])
    if skill < _TELLS:
        return Suspects(None, "the model is too weak to tell")
    if embeddings.size * probabilities.shape[1] > _QUICK:
        return Suspects(None, "looking takes minutes")
    learnt = np.concatenate([np.full(len(labels[name]), name == "train") for name in names])
    suspicion, suggestion = label_suspicion(embeddings, probabilities, own, learnt)
    number = int(((suggestion != own) & (suspicion > _PROBABLE)).sum())
    if number > _MOST * len(own):
        return Suspects(None, "the model is too weak to tell")
    return Suspects(number)
