"""How an INT8 network stands against the fp32 one it was made from, and when that is not enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import Metrics, Quantization
from interpret.model.predictor import Pixels, Prediction, Predictor
from interpret.retrieval.gallery import Gallery
from interpret.trust import metrics as evaluation
from training.config.errors import QuantizationError
from training.evaluate.labelled import LabelledData, predict_split
from training.export.bundle_export import NEIGHBOURS

_EVIDENCE_PICTURES = 64
_EVIDENCE_TOLERANCE = 1e-4  # of the largest embedding: float32 rounding


def compare_with_fp32(
    bundle: Bundle, int8: Predictor, data: LabelledData, pictures: Pixels
) -> tuple[Quantization, Metrics]:
    """How the INT8 model stands against the bundle's own on the data's final split.

    `pictures`, pixels (N, S, S, 3), are those that the activations were calibrated on; the evidence
    is looked at on the first of them.
    """
    final, manifest = data.final, bundle.manifest
    actual, expected = (
        predict_split(predictor, data.splits[final], manifest.input_size, f"{name} {final}")
        for name, predictor in (("INT8", int8), ("fp32", Predictor(bundle)))
    )
    after, before = (
        evaluation.score(each, data.labels[final], bundle.prototypes) for each in (actual, expected)
    )
    metrics = evaluation.metrics(after, final, manifest.metrics.geometry, manifest.class_names)
    fp32_accuracy = float(np.mean(before.predicted == before.labels))
    certificate = Quantization(
        parent=manifest.fingerprint,
        calibration_pictures=len(pictures),
        split=f"{data.name} {final}",
        examples=metrics.examples,
        accuracy_difference=metrics.accuracy - fp32_accuracy,
        argmax_agreement=float(np.mean(before.predicted == after.predicted)),
        distance_error=_relative(actual.distances, expected.distances),
        neighbour_overlap=_overlap(bundle, actual, expected),
        evidence_error=_evidence_error(int8, pictures[:_EVIDENCE_PICTURES]),
    )
    return certificate, metrics


def refuse(
    certificate: Quantization,
    max_accuracy_drop: float,
    min_agreement: float,
    max_distance_error: float,
) -> None:
    """Raise QuantizationError that names every bound the certificate passes."""
    measured = (
        ("accuracy falls by", -certificate.accuracy_difference, max_accuracy_drop),
        ("answers that differ:", 1 - certificate.argmax_agreement, 1 - min_agreement),
        ("distances are off by", certificate.distance_error, max_distance_error),
        ("evidence is off by", certificate.evidence_error, _EVIDENCE_TOLERANCE),
    )
    failed = [f"{what} {value:.3%} (bound {b:.3%})" for what, value, b in measured if value > b]
    if failed:
        raise QuantizationError(f"INT8 is not good enough, nothing written: {'; '.join(failed)}")


def _relative(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(actual - expected).mean() / expected.mean())


def _overlap(bundle: Bundle, actual: Prediction, expected: Prediction) -> float:
    gallery = Gallery(bundle)
    found = [gallery.search(p.embedding, NEIGHBOURS).rows for p in (actual, expected)]
    if not found[0].shape[1]:
        return 1.0
    shared = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(*found, strict=True)]
    return float(np.mean(shared))


def _evidence_error(predictor: Predictor, pictures: Pixels) -> float:
    prediction = predictor(pictures, evidence=True)
    if prediction.evidence is None:
        return 0.0
    difference = prediction.evidence.mean((2, 3)) - prediction.embedding
    return float(np.abs(difference).max() / np.abs(prediction.embedding).max())
