"""How often a bundle is right on labelled pictures, and how its embeddings lie."""

from __future__ import annotations

from interpret.bundle.bundle import Bundle
from interpret.trust import metrics
from interpret.trust.evaluation import Evaluation
from interpret.trust.groups import GroupShares
from interpret.trust.verdict import verdicts
from training.evaluate.embedder import Embedder
from training.evaluate.labelled import LabelledData
from training.evaluate.trained_on import trained_on


def evaluate_accuracy(
    bundle: Bundle, data: LabelledData, split: str, embed: Embedder | None = None
) -> Evaluation:
    """Measure the model's answers to a split and its embeddings. `embed` has them; the default is
    to run the model over all pictures with ONNX Runtime.
    """
    prediction, labels = (embed or Embedder(bundle, data))(split), data.labels[split]
    given = verdicts(prediction, bundle.manifest)
    return Evaluation.of(
        metrics.score(prediction, labels, bundle.prototypes),
        split,
        metrics.measure_geometry(prediction.embedding, labels, bundle.prototypes, split),
        bundle.manifest.class_names,
        trained_on(bundle, data.splits[split].sources, prediction.embedding),
        given,
        GroupShares.of(prediction, labels, bundle.manifest, given),
    )
