"""A bundle whose network computes in 8-bit integers: quantised, measured, and refused when worse.

Weights are quantised per channel; the ranges of activations are found on gallery pictures. The
first convolution, and everything after the last feature map, stay in float32. So embedding,
distances and evidence come from the same features, and the evidence's mean is the embedding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import quantization

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.calibration_record import Calibration
from interpret.model.images import Preprocessing, decode
from interpret.model.onnx_weights import widened
from interpret.model.predictor import Pixels, Predictor
from interpret.retrieval.vector_index import index_writer
from interpret.trust import metrics as evaluation
from training.config.errors import QuantizationError
from training.evaluate.labelled import DataSource, LabelledData, load_labelled, predict_split
from training.export.calibrate import recalibrated
from training.export.int8_certificate import compare_with_fp32, refuse

CALIBRATION_PICTURES = 256  # of the gallery, that the ranges of activations are found on
_BATCH = 32
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

    Thresholds are those of the INT8 model; a calibrated bundle is calibrated anew with it, on the
    same split and for the same coverage. Raises QuantizationError, and writes nothing, when the
    model passes one of the bounds (fractions), and DpnpError for too few pictures to calibrate on.
    """
    bundle = Bundle.load(path)
    if bundle.manifest.quantization is not None:
        raise QuantizationError(f"{path} is INT8 already")
    manifest = bundle.manifest
    data = load_labelled(bundle, source)
    pictures = gallery_pictures(bundle, CALIBRATION_PICTURES)
    model = quantise(widened(bundle.read("model.onnx")), pictures)
    model, calibration = _calibrated(bundle, model, data)
    held_out = data.held_out
    predictor = Predictor(model)
    certificate, metrics = compare_with_fp32(bundle, predictor, data, pictures)
    refuse(certificate, max_accuracy_drop, min_agreement, max_distance_error)
    prediction = predict_split(
        predictor, data.splits[held_out], manifest.input_size, f"INT8 {held_out}"
    )
    scored = evaluation.score(prediction, data.labels[held_out], bundle.prototypes)
    thresholds = evaluation.thresholds(scored, held_out)
    return write_bundle(
        out,
        manifest.model_copy(
            update={
                "name": out.name,
                "thresholds": thresholds,
                "metrics": metrics,
                "quantization": certificate,
                "calibration": calibration,
            }
        ),
        model=model,
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=bundle.gallery,
        weights=bundle.read("weights.safetensors"),
        index=index_writer(bundle),
    )


def _calibrated(
    bundle: Bundle, model: bytes, data: LabelledData
) -> tuple[bytes, Calibration | None]:
    """The model calibrated as the bundle is: not at all, or on the same split and coverage.

    Folders of pictures of no class are not at hand here: AUROCs are measured on noise alone.
    """
    earlier = bundle.manifest.calibration
    if earlier is None:
        return model, None
    split = earlier.split if earlier.split in data.splits else data.held_out
    done = recalibrated(bundle, model, data, split, earlier.coverage, {})
    return done.model, done.calibration


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
    thumbnails = [content for content in bundle.gallery.thumbnails if content]
    fitted = Preprocessing.of(bundle.manifest)
    if not thumbnails:
        raise QuantizationError(
            f"{bundle.path}: its gallery has no pictures: nothing to calibrate on"
        )
    rows = np.unique(np.linspace(0, len(thumbnails) - 1, count).astype(int))
    return np.stack([fitted(decode(thumbnails[row])) for row in rows])


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
