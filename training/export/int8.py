"""A bundle whose network computes in 8-bit integers: quantised, measured, and refused when worse.

Weights per channel, activations calibrated on gallery pictures. The first convolution and all
that comes after the last feature map stay in float32: embedding, distances and evidence are
computed from the same features, so the mean of the evidence still is the embedding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.manifest import Metrics, Quantization
from interpret.model.images import Preprocessing, decode
from interpret.model.onnx_weights import widened
from interpret.model.predictor import Pixels, Prediction, Predictor
from interpret.retrieval.gallery import Gallery
from interpret.trust import metrics as evaluation
from training.config.errors import QuantizationError
from training.evaluate.labelled import DataSource, LabelledData, load_labelled, predict_split
from training.export.bundle_export import NEIGHBOURS

CALIBRATION_PICTURES = 256
_BATCH = 32
_EVIDENCE_PICTURES = 64
_EVIDENCE_TOLERANCE = 1e-4  # of the largest embedding: float32 rounding
_INTEGER_OPS = ["Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Concat"]


def export_int8(
    path: Path,
    source: DataSource,
    out: Path,
    *,
    max_accuracy_drop: float,
    min_agreement: float,
    max_distance_error: float,
) -> Bundle:
    """Write at `out` the bundle at `path` with its model in INT8, measured on a data set.

    Raises QuantizationError, and writes nothing, when it passes one of the bounds (fractions).
    """
    bundle = Bundle.load(path)
    if bundle.manifest.quantization is not None:
        raise QuantizationError(f"{path} is INT8 already")
    manifest = bundle.manifest
    data = load_labelled(bundle, source)
    pictures = gallery_pictures(bundle, CALIBRATION_PICTURES)
    model = quantise(widened(bundle.read("model.onnx")), pictures)

    held_out = data.held_out
    predictor = Predictor(model)
    certificate, metrics = compare_with_fp32(bundle, predictor, data, pictures[:_EVIDENCE_PICTURES])
    refuse(certificate, max_accuracy_drop, min_agreement, max_distance_error)
    prediction = predict_split(
        predictor, data.splits[held_out], manifest.input_size, f"INT8 {held_out}"
    )
    thresholds = evaluation.thresholds(_score(bundle, prediction, data, held_out), held_out)
    return write_bundle(
        out,
        manifest.model_copy(
            update={
                "name": out.name,
                "thresholds": thresholds,
                "metrics": metrics,
                "quantization": certificate,
            }
        ),
        model=model,
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=bundle.gallery,
        weights=bundle.read("weights.safetensors"),
    )


def compare_with_fp32(
    bundle: Bundle, int8: Predictor, data: LabelledData, pictures: Pixels
) -> tuple[Quantization, Metrics]:
    """How the INT8 model stands against the bundle's own on the data's final split.

    The evidence is looked at on `pictures`, pixels (N, S, S, 3).
    """
    final, manifest = data.final, bundle.manifest
    actual, expected = (
        predict_split(predictor, data.splits[final], manifest.input_size, f"{name} {final}")
        for name, predictor in (("INT8", int8), ("fp32", Predictor(bundle)))
    )
    after, before = (_score(bundle, p, data, final) for p in (actual, expected))
    metrics = evaluation.metrics(after, final, manifest.metrics.geometry, manifest.class_names)
    fp32_accuracy = float(np.mean(before.predicted == before.labels))
    certificate = Quantization(
        parent=manifest.fingerprint,
        calibration_pictures=min(CALIBRATION_PICTURES, len(bundle.gallery.ids)),
        split=f"{data.name} {final}",
        examples=metrics.examples,
        accuracy_difference=metrics.accuracy - fp32_accuracy,
        argmax_agreement=float(np.mean(before.predicted == after.predicted)),
        distance_error=_relative(actual.distances, expected.distances),
        neighbour_overlap=_overlap(bundle, actual, expected),
        evidence_error=_evidence_error(int8, pictures),
    )
    return certificate, metrics


def quantise(model: bytes, pictures: Pixels) -> bytes:
    """The model with its backbone in INT8 (QDQ), calibrated on pixels (N, S, S, 3)."""
    graph = onnx.load_from_string(model)
    backbone = _backbone(graph)
    convolutions = [node.name for node in graph.graph.node if node.op_type == "Conv"]
    if not backbone.intersection(convolutions[1:]):
        raise QuantizationError("INT8: no convolution after the first one to be quantised")
    kept = [node.name for node in graph.graph.node if node.name not in backbone]
    kept.append(convolutions[0])
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            graph,
            result,
            _Pictures(pictures),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_INTEGER_OPS,
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
        return result.read_bytes()


def gallery_pictures(bundle: Bundle, count: int) -> Pixels:
    """Pixels (N, S, S, 3) of up to `count` thumbnails, evenly over the gallery."""
    thumbnails, fitted = bundle.gallery.thumbnails, Preprocessing.of(bundle.manifest)
    if not thumbnails:
        raise QuantizationError(f"{bundle.path}: its gallery is empty: nothing to calibrate on")
    rows = np.unique(np.linspace(0, len(thumbnails) - 1, count).astype(int))
    return np.stack([fitted(decode(thumbnails[row])) for row in rows])


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


class _Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: Pixels) -> None:
        self._batches: Iterator[Pixels] = iter(
            np.array_split(pictures, -(-len(pictures) // _BATCH))
        )

    def get_next(self) -> dict[str, Pixels] | None:
        """The next batch by the input's name; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def _backbone(model: onnx.ModelProto) -> set[str]:
    """The nodes before the last feature map: those that embedding and evidence both come from."""
    makers = {output: node for node in model.graph.node for output in node.output}

    def ancestors(output: str) -> set[str]:
        names: set[str] = set()
        waiting = [output]
        while waiting:
            node = makers.get(waiting.pop())
            if node is not None and node.name not in names:
                names.add(node.name)
                waiting.extend(node.input)
        return names

    found = ancestors("embedding")
    if any(output.name == "evidence" for output in model.graph.output):
        return found & ancestors("evidence")
    return {
        node.name
        for node in model.graph.node
        if node.name in found and node.op_type not in ("Gemm", "MatMul", "ReduceMean")
    }


def _score(
    bundle: Bundle, prediction: Prediction, data: LabelledData, split: str
) -> evaluation.Scored:
    return evaluation.score(prediction, data.labels[split], bundle.prototypes)


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
