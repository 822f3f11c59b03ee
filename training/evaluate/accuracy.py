"""How often a bundle is right on labelled pictures, and how its embeddings lie."""

from __future__ import annotations

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor
from interpret.trust import metrics
from interpret.trust.evaluation import Evaluation
from interpret.trust.groups import GroupShares
from training.evaluate.labelled import LabelledData, predict_split
from training.evaluate.trained_on import trained_on


def evaluate_accuracy(bundle: Bundle, data: LabelledData, split: str) -> Evaluation:
    """Run the model over a split with ONNX Runtime and measure its answers and embeddings."""
    predictor, labels = Predictor(bundle), data.labels[split]
    prediction = predict_split(
        predictor, data.splits[split], predictor.input_size, f"embedding {split}"
    )
    return Evaluation.of(
        metrics.score(prediction, labels, bundle.prototypes),
        split,
        metrics.measure_geometry(prediction.embedding, labels, bundle.prototypes, split),
        bundle.manifest.class_names,
        trained_on(bundle, data.splits[split].sources, prediction.embedding),
        GroupShares.of(prediction, labels, bundle.manifest),
    )
