"""How many labels of a data set are suspect, from what was embedded already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.model.predictor import Prediction
from interpret.trust.audit import LEARNT
from interpret.trust.suspects import judge_labels

# Pictures × dimensions × classes: the probes' ten fits take seconds up to here, then minutes.
_QUICK = 5_000_000


class Suspects(NamedTuple):
    """How many labels are suspect; None where that was not told, for the reason `why`."""

    number: int | None
    why: str = ""


def count_suspects(
    predictions: Mapping[str, Prediction], labels: Mapping[str, NDArray[np.int64]]
) -> Suspects:
    """The number of labels that `dpnp audit` would name, over the splits predicted."""
    names = [name for name in predictions if len(labels[name])]
    embeddings = np.concatenate([predictions[name].embedding for name in names])
    probabilities = np.concatenate([predictions[name].probabilities for name in names])
    own = np.concatenate([labels[name] for name in names])
    if embeddings.size * probabilities.shape[1] > _QUICK:
        return Suspects(None, "looking takes minutes")
    learnt = np.concatenate([np.full(len(labels[name]), name == LEARNT) for name in names])
    judged = judge_labels(embeddings, probabilities, own, learnt)
    return Suspects(None if judged.why else len(judged.suspects()), judged.why)
