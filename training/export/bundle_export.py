"""From a trained network to a bundle: ONNX, certificate, gallery, figures, thresholds."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.gallery_table import GalleryTable, pixel_hash
from interpret.bundle.manifest import (
    Certificate,
    DataInfo,
    EvidenceGrid,
    Manifest,
    Metrics,
    TrainingCost,
)
from interpret.model.fitting import in_words
from interpret.model.images import Preprocessing, thumbnail
from interpret.model.onnx_head import with_temperature
from interpret.model.onnx_weights import halved
from interpret.model.predictor import Prediction, Predictor
from interpret.model.progress import parallel_map
from interpret.retrieval.gallery_access import without_pictures
from interpret.retrieval.vector_index import index_writer
from interpret.trust import calibration
from interpret.trust import metrics as evaluation
from training.config.training_job import TrainingJob
from training.data.splits import DataSet, Split
from training.evaluate.labelled import LabelledData, predict_split
from training.export.calibrate import calibrate_model
from training.export.embedding_scale import scale_to_prototypes_
from training.export.onnx_export import ServedModel, export, input_side, run_torch
from training.model.networks import PrototypeNetwork

BATCH_SIZES = (1, 2, 7)  # of the certificate
NEIGHBOURS = 10
GALLERY_LIMIT = 50_000
PACKAGES = (
    "torch",
    "torchvision",
    "onnx",
    "onnxruntime-gpu",
    "onnxruntime",
    "numpy",
    "dpnp-toolkit",
)


class Exported(NamedTuple):
    """A bundle that was written, and its model's predictions for the data's splits.

    Probabilities of the train split are those before the temperature.
    """

    bundle: Bundle
    predictions: dict[str, Prediction]


def export_bundle(
    network: PrototypeNetwork,
    job: TrainingJob,
    data: DataSet,
    path: Path,
    cost: TrainingCost | None = None,
) -> Bundle:
    """The bundle of `export_and_measure`."""
    return export_and_measure(network, job, data, path, cost).bundle


def export_and_measure(  # its length is that of the manifest, field by field
    network: PrototypeNetwork,
    job: TrainingJob,
    data: DataSet,
    path: Path,
    cost: TrainingCost | None = None,
) -> Exported:
    """Export, measure with ONNX Runtime and write the bundle at `path`, replacing an old one.

    `network` comes from `loop.train`, its prototypes where its method wants them; it ends on the
    CPU. Raises BundleError when `path` is something else than a bundle.
    """
    config, seen = job.config, job.config.image_size or data.image_size
    data = data.with_fit(config.fit)
    size = input_side(data.splits["train"], seen)
    network.cpu().float().eval()
    network.auxiliary = None  # it was for training alone
    model = ServedModel(network, size, seen)
    scale = scale_to_prototypes_(model, data.splits["train"], size)
    served = halved(export(model, size)) if job.export.half else export(model, size)
    prototypes = network.head.prototypes.detach().numpy().astype(np.float32)
    predictor = Predictor(served, pooled=not job.export.without_features)
    train = data.splits["train"]
    predictions = {"train": predict_split(predictor, train, size, "embedding train")}
    embeddings, features = predictions["train"].embedding, predictions["train"].pooled
    predictions["train"] = predictions["train"]._replace(pooled=None)
    certificate = certify(model, predictor, train, embeddings)
    # The logits grew with the embedding. Where no temperature is found, they are as they were.
    served = with_temperature(served, scale) if scale != 1 else served
    served, calibrated, on_valid = _calibrate(served, data, prototypes)
    if on_valid is not None:
        predictions["valid"] = on_valid
    final, held_out = data.evaluation_split(), "valid" if "valid" in data.splits else "test"
    predictions |= _predictions(served, data, {final, held_out} - predictions.keys())
    scored = {
        name: evaluation.score(prediction, data.splits[name].labels, prototypes)
        for name, prediction in predictions.items()
    }
    kept = gallery_rows(train.labels, job.export.gallery)
    manifest = Manifest(
        name=path.name,
        method=config.method,
        backbone=config.backbone,
        embedding_dim=network.embedding_dim,
        radius=config.radius if network.head.on_sphere else None,
        class_names=data.class_names,
        input_size=size,
        preprocessing=in_words(config.fit, seen if size < seen else None),
        fit=config.fit,
        metric="euclidean",
        evidence=_grid(network),
        data=DataInfo(name=data.name, splits={k: len(v) for k, v in data.splits.items()}),
        thresholds=evaluation.thresholds(scored[held_out], held_out),
        metrics=_metrics(scored, final, embeddings, prototypes, data.class_names),
        certificate=certificate,
        calibration=calibrated,
        gallery_mode=job.export.gallery_mode,
        gallery_url=job.export.gallery_url,
        training=job.record(),
        training_cost=cost,
        versions=library_versions(),
    )
    bundle = write_bundle(
        path,
        manifest,
        model=served,
        prototypes=prototypes,
        embeddings=embeddings[kept],
        gallery=without_pictures(_gallery(train, kept, size), job.export.gallery_mode, path),
        weights=_weights(network, job.export.half),
        features=None if features is None else features[kept],
        index=index_writer(),
    )
    return Exported(bundle, predictions)


def _predictions(model: bytes, data: DataSet, names: Collection[str]) -> dict[str, Prediction]:
    predictor = Predictor(model)
    return {
        name: predict_split(predictor, data.splits[name], predictor.input_size, f"embedding {name}")
        for name in names
    }


def _metrics(
    scored: Mapping[str, evaluation.Scored],
    final: str,
    embeddings: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    class_names: Sequence[str],
) -> Metrics:
    """The figures of the final split, and the geometry of the training pictures' embeddings."""
    train = scored["train"]
    return evaluation.metrics(
        scored[final],
        final,
        evaluation.measure_geometry(embeddings, train.labels, prototypes, "train"),
        class_names,
        train_accuracy=train.accuracy,
        valid_accuracy=scored["valid"].accuracy if "valid" in scored else None,
    )


def _calibrate(
    model: bytes, data: DataSet, prototypes: NDArray[np.float32]
) -> tuple[bytes, Calibration | None, Prediction | None]:
    """The model with novelty and temperature, limits from the valid split, and the new model's
    predictions for it. Without a valid split, or with too few pictures, the model stays as it is.
    """
    held_out = data.splits.get("valid")
    if held_out is None or len(held_out) < calibration.fewest(calibration.COVERAGE):
        return model, None, None
    labelled = LabelledData(data, {name: split.labels for name, split in data.splits.items()})
    done = calibrate_model(model, labelled, data.class_names, "valid", prototypes)
    cooled = calibration.tempered(done.prediction.probabilities, done.calibration.temperature)
    on_valid = done.prediction._replace(probabilities=cooled.astype(np.float32))
    return done.model, done.calibration, on_valid


def _weights(network: PrototypeNetwork, half: bool) -> bytes:
    """weights.safetensors; with `half`, filters of convolutions in half precision."""
    return safetensors.torch.save(
        {
            name: (tensor.half() if half and tensor.ndim == 4 else tensor).contiguous()
            for name, tensor in network.state_dict().items()
        }
    )


def certify(
    model: ServedModel, predictor: Predictor, split: Split, embeddings: NDArray[np.float32]
) -> Certificate:
    """Compare torch with ONNX Runtime on real pictures, at each of BATCH_SIZES."""
    largest: dict[str, float] = {}
    agreement, overlap = [], []
    for count in BATCH_SIZES:
        rows = np.linspace(0, len(split) - 1, count).astype(np.int64)
        pixels = split.subset(rows).pixels(predictor.input_size, "")
        expected, actual = run_torch(model, pixels), predictor(pixels, evidence=True)
        for name, a, b in zip(Prediction._fields, expected, actual, strict=True):
            if a is not None and b is not None:
                largest[name] = max(largest.get(name, 0.0), float(np.abs(a - b).max()))
        agreement += (expected.probabilities.argmax(1) == actual.probabilities.argmax(1)).tolist()
        pairs = zip(_neighbours(expected, embeddings), _neighbours(actual, embeddings), strict=True)
        overlap += [len(np.intersect1d(a, b)) / len(a) for a, b in pairs]
    return Certificate(
        batch_sizes=list(BATCH_SIZES),
        max_abs_difference=largest,
        argmax_agreement=float(np.mean(agreement)),
        neighbour_overlap=float(np.mean(overlap)),
    )


def gallery_rows(labels: NDArray[np.int64], per_class: int | None) -> NDArray[np.int64]:
    """The rows kept in the gallery, in order: the first `per_class` of each class.

    None keeps all, up to GALLERY_LIMIT shared evenly among the classes.
    """
    if per_class is None:
        if len(labels) <= GALLERY_LIMIT:
            return np.arange(len(labels))
        per_class = GALLERY_LIMIT // (int(labels.max()) + 1)
    kept = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(kept))


def _neighbours(prediction: Prediction, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    away = ((prediction.embedding[:, None] - embeddings[None]) ** 2).sum(2)
    return np.argsort(away, axis=1, kind="stable")[:, :NEIGHBOURS]


def _grid(network: PrototypeNetwork) -> EvidenceGrid | None:
    if not network.locations:
        return None
    rows, cols = network.locations
    return EvidenceGrid(rows=rows, cols=cols)


def _gallery(split: Split, rows: NDArray[np.int64], size: int) -> GalleryTable:
    kept, fitted = split.subset(rows), Preprocessing(size, split.fit)

    def read(row: int) -> tuple[bytes, str]:
        picture = kept.open_picture(row)
        return thumbnail(picture), pixel_hash(fitted(picture))

    found = parallel_map(read, range(len(kept)), "thumbnails")
    return GalleryTable(
        ids=rows,
        labels=kept.labels,
        splits=["train"] * len(kept),
        sources=kept.sources,
        thumbnails=[small for small, _ in found],
        pixel_hashes=[digest for _, digest in found],
    )


def library_versions() -> dict[str, str]:
    """Versions of what a result depends on, for the record."""
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # onnxruntime comes under one of two names
    return versions
