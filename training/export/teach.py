"""A bundle taught by corrections: its head refitted, its limits found anew, nothing else changed.

Features of the gallery hold the head in its place while it learns the corrections; the larger
the stiffness, the less it moves. The softest head is taken whose accuracy on held-out pictures
falls by no more than the bound; the limits come from the same pictures. What it costs is measured
on others.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import Change, Manifest, Metrics, Thresholds
from interpret.edit.changed_bundle import sphere_radius, with_class_vectors
from interpret.edit.lessons import Lessons, head_of, read_lessons
from interpret.edit.refit import STIFFNESSES, Examples, Head, refit
from interpret.model.onnx_head import with_prototypes
from interpret.model.onnx_projection import with_projection
from interpret.model.predictor import Predictor
from interpret.retrieval.vector_index import index_writer
from interpret.trust import metrics as evaluation
from training.evaluate.held_out import (
    Comparison,
    GalleryFeatures,
    HeldOut,
    compare,
    gallery_features,
    held_out,
)
from training.evaluate.labelled import DataSource, LabelledData, load_labelled, predict_split
from training.export.calibrate import calibrate_model, given_tree

_SEED = 0  # of the halves of a data set that has one held-out split


class TeachingRefusedError(DpnpError):
    """The corrections cost more accuracy on held-out pictures than the bound allows."""


class Effect(NamedTuple):
    """What teaching would change."""

    corrections: int
    learnt_before: int  # corrections that are answered right before
    learnt: int  # and after
    left_out: dict[str, int]  # corrections, by reason
    features: str  # where the gallery's features come from, in words
    stiffness: float
    choice: Comparison  # on the pictures that stiffness and limits are found on
    measured: Comparison  # on others

    def check(self, max_loss: float) -> None:
        """Raise TeachingRefusedError when held-out accuracy falls by more than `max_loss`."""
        for each in (self.choice, self.measured):
            if each.loss > max_loss:
                raise TeachingRefusedError(
                    f"accuracy on {each.examples:,} held-out pictures ({each.split}) would fall "
                    f"from {each.before:.2%} to {each.after:.2%}, by more than --max-loss "
                    f"{max_loss:g}"
                )


class _Ready(NamedTuple):
    bundle: Bundle
    data: LabelledData
    lessons: Lessons
    head: Head
    choice: HeldOut
    measured: HeldOut


class Teaching(NamedTuple):
    """A head that was refitted and not written yet."""

    ready: _Ready
    head: Head
    found: GalleryFeatures | None
    effect: Effect


def prepare_teaching(
    path: Path, feedback: Path, source: DataSource, *, max_loss: float
) -> Teaching:
    """Refit the head of the bundle at `path` to the corrections in `feedback`, and compare.

    Of the heads that cost no more than `max_loss` of the accuracy on held-out pictures it is the
    softest, or the stiffest one when all cost more. Raises DpnpError for feedback that teaches
    nothing, and for a model without a sphere.
    """
    bundle = Bundle.load(path)
    if bundle.manifest.quantization is not None:
        raise DpnpError(f"{path} is INT8: teach its fp32 bundle, and export that again")
    sphere_radius(bundle)
    lessons = read_lessons(bundle, feedback)
    ready = _prepare(bundle, lessons, load_labelled(bundle, source))
    found = gallery_features(bundle, ready.data.splits["train"])
    words = "the bundle's own" if bundle.has_features else "computed from the training pictures"
    if found is None:
        words = "not at hand: embeddings alone are corrected"
    names = bundle.manifest.class_names
    for level in STIFFNESSES:
        head, stiffness = _refitted(ready, found, level), level
        choice = _compare(ready.choice, ready.head, head, names)
        if choice.loss <= max_loss:
            break
    features, labels = lessons.examples
    effect = Effect(
        corrections=len(labels),
        learnt_before=int((ready.head.answers(features) == labels).sum()),
        learnt=int((head.answers(features) == labels).sum()),
        left_out=lessons.left_out,
        features=words,
        stiffness=stiffness,
        choice=choice,
        measured=_compare(ready.measured, ready.head, head, names),
    )
    return Teaching(ready, head, found, effect)


def write_taught(teaching: Teaching, out: Path) -> Bundle:
    """Write at `out` the bundle with the refitted head."""
    effect = teaching.effect
    what = f"taught {effect.corrections:,} corrections, {effect.learnt:,} of them learnt"
    return _write(teaching.ready, teaching.head, teaching.found, out, what)


def _prepare(bundle: Bundle, lessons: Lessons, data: LabelledData) -> _Ready:
    """The held-out pictures, without those of the gallery and of the corrections."""
    known = {*lessons.pixels_sha256, *(h for h in bundle.gallery.pixel_hashes if h is not None)}
    choice = held_out(bundle, data, data.held_out, known)
    if data.final == data.held_out:
        order = np.random.default_rng(_SEED).permutation(len(choice.labels))
        half = len(order) // 2
        choice, measured = choice.part(np.sort(order[:half])), choice.part(np.sort(order[half:]))
    else:
        measured = held_out(bundle, data, data.final, known)
    for each in (choice, measured):
        if not len(each.labels):
            raise DpnpError(
                f"{data.name}: no picture of {each.name} is left to measure on; all are in the "
                "gallery or among the corrections"
            )
    return _Ready(bundle, data, lessons, head_of(bundle), choice, measured)


def _refitted(ready: _Ready, found: GalleryFeatures | None, stiffness: float) -> Head:
    bundle, head, lessons = ready.bundle, ready.head, ready.lessons.examples
    calibration = bundle.manifest.calibration
    scale = sphere_radius(bundle) * (calibration.temperature if calibration else 1.0)
    if found is not None:
        labels = bundle.gallery.labels[found.rows].astype(np.int64)
        gallery = Examples(found.features, labels)
        return refit(head, gallery, lessons, scale, stiffness=stiffness)
    # Without features: a linear map of the embedding, and other prototypes.
    dim = len(head.weight)
    plain = Head(np.eye(dim), np.zeros(dim), head.prototypes)
    gallery = Examples(bundle.embeddings, bundle.gallery.labels.astype(np.int64))
    embedded = Examples(head.embed(lessons.features), lessons.labels)
    return refit(plain, gallery, embedded, scale, stiffness=stiffness).after(head)


def _compare(pictures: HeldOut, before: Head, after: Head, names: list[str]) -> Comparison:
    was, is_now = (head.answers(pictures.features) for head in (before, after))
    return compare(pictures.name, pictures.labels, was, is_now, names)


def _write(
    ready: _Ready, head: Head, found: GalleryFeatures | None, out: Path, what: str
) -> Bundle:
    bundle, manifest = ready.bundle, ready.bundle.manifest
    prototypes = head.prototypes.astype(np.float32)
    embeddings = _embeddings(ready, head, found)
    model = with_projection(
        bundle.read("model.onnx"), head.weight.astype(np.float32), head.bias.astype(np.float32)
    )
    model = with_prototypes(model, prototypes, sphere_radius(bundle))
    model, calibration = _calibrated(model, ready, prototypes)
    thresholds, metrics = _measured(model, ready, embeddings, prototypes)
    update = {
        "name": out.name,
        "calibration": calibration,
        "thresholds": thresholds,
        "metrics": metrics,
        "training": manifest.training | {"embedding_dim": manifest.embedding_dim},
        "changes": [*manifest.changes, Change(parent=manifest.fingerprint, what=what)],
        "next_gallery_id": bundle.next_gallery_id,
    }
    features = bundle.features()
    if features is None and found is not None and len(found.rows) == len(embeddings):
        features = found.features.astype(np.float16)
    return write_bundle(
        out,
        Manifest.model_validate(manifest.model_copy(update=update).model_dump()),
        model=model,
        prototypes=prototypes,
        embeddings=embeddings,
        gallery=bundle.gallery,
        weights=_with_projection(
            with_class_vectors(bundle.read("weights.safetensors"), prototypes), head
        ),
        features=features,
        index=index_writer(),
    )


def _embeddings(ready: _Ready, head: Head, found: GalleryFeatures | None) -> NDArray[np.float32]:
    """The gallery's embeddings with the new head."""
    before, whole = ready.head, ready.bundle.embeddings.astype(np.float64)
    # What the change adds on the embeddings of before: half precision then costs few digits.
    change, shift = head.weight - before.weight, head.bias - before.bias
    # A head of embeddings alone is A W₀: A serves rows whose features are not known, too.
    step = head.weight @ np.linalg.pinv(before.weight)
    result = whole @ step.T + (head.bias - step @ before.bias)
    if found is not None:
        rows, features = found
        result[rows] = whole[rows] + features.astype(np.float64) @ change.T + shift
    return result.astype(np.float32)


def _calibrated(
    model: bytes, ready: _Ready, prototypes: NDArray[np.float32]
) -> tuple[bytes, Calibration | None]:
    """The model with limits, temperature and novelty where the bundle has them, from the pictures
    of the choice.
    """
    before = ready.bundle.manifest.calibration
    if before is None:
        return model, None
    data, name = ready.data, ready.choice.name
    splits = data.splits | {name: data.splits[name].subset(ready.choice.rows)}
    labels = data.labels | {name: ready.choice.labels}
    chosen = LabelledData(replace(data.data, splits=splits), labels)
    manifest = ready.bundle.manifest
    done = calibrate_model(
        *(model, chosen, manifest.class_names, name, prototypes, before.coverage),
        tree=given_tree(manifest),
    )
    return done.model, done.calibration


def _measured(
    model: bytes,
    ready: _Ready,
    embeddings: NDArray[np.float32],
    prototypes: NDArray[np.float32],
) -> tuple[Thresholds, Metrics]:
    """Thresholds from the pictures of the choice, and figures of the others, with the graph."""
    predictor, scored = Predictor(model), []
    for each in (ready.choice, ready.measured):
        part = ready.data.splits[each.name].subset(each.rows)
        prediction = predict_split(predictor, part, predictor.input_size, each.name)
        scored.append(evaluation.score(prediction, each.labels, prototypes))
    names, labels = ready.bundle.manifest.class_names, ready.bundle.gallery.labels.astype(np.int64)
    geometry = evaluation.measure_geometry(embeddings, labels, prototypes, "gallery")
    return (
        evaluation.thresholds(scored[0], ready.choice.name),
        evaluation.metrics(
            scored[1],
            ready.measured.name,
            geometry,
            names,
            train_accuracy=None,
            valid_accuracy=scored[0].accuracy,
        ),
    )


def _with_projection(weights: bytes, head: Head) -> bytes:
    """The torch weights with the head's projection; empty ones stay empty."""
    if not weights:
        return weights
    tensors = safetensors.numpy.load(weights) | {
        "projection.weight": np.ascontiguousarray(head.weight, np.float32),
        "projection.bias": head.bias.astype(np.float32),
    }
    saved: bytes = safetensors.numpy.save(tensors)
    return saved
