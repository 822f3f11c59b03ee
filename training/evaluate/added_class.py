"""What an added class costs the old ones."""

from __future__ import annotations

from typing import NamedTuple

from interpret.bundle.bundle import Bundle
from interpret.edit.classes import accuracy_cost
from interpret.model.predictor import Predictor
from training.evaluate.labelled import LabelledData, predict_split


class Cost(NamedTuple):
    """Accuracy on pictures of the old classes, as a fraction."""

    examples: int
    before: float
    after: float


def cost_of_class(before: Bundle, after: Bundle, data: LabelledData) -> Cost:
    """Accuracy on the data's final split without and with the class that `after` has more."""
    predictor, split = Predictor(before), data.final
    prediction = predict_split(predictor, data.splits[split], predictor.input_size, split)
    was, is_now = accuracy_cost(
        prediction.embedding, data.labels[split], before.prototypes, after.prototypes
    )
    return Cost(len(prediction.embedding), was, is_now)
