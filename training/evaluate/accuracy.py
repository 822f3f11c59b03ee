"""How often a bundle is right on labelled pictures, and how its embeddings lie."""

from __future__ import annotations

from typing import NamedTuple

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import Metrics
from interpret.model.predictor import Predictor
from interpret.trust import metrics as evaluation
from training.evaluate.labelled import LabelledData, predict_split


class Evaluation(NamedTuple):
    """The figures of a split, and what is known of each of its pictures."""

    metrics: Metrics
    scored: evaluation.Scored


def evaluate_accuracy(bundle: Bundle, data: LabelledData, split: str) -> Evaluation:
    """Run the model over a split with ONNX Runtime and measure its answers and embeddings."""
    predictor, labels = Predictor(bundle), data.labels[split]
    prediction = predict_split(
        predictor, data.splits[split], predictor.input_size, f"embedding {split}"
    )
    measured = evaluation.measure_geometry(prediction.embedding, labels, bundle.prototypes, split)
    scored = evaluation.score(prediction, labels, bundle.prototypes)
    return Evaluation(
        evaluation.metrics(scored, split, measured, bundle.manifest.class_names), scored
    )
