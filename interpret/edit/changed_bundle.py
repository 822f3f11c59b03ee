"""Writing a bundle that was changed without training.

The embedding stays as it is; the end of the ONNX graph is written anew around other prototypes.
The new bundle names its parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from interpret.bundle.bundle import NORM_TOLERANCE, Bundle, IndexWriter, write_parts
from interpret.bundle.errors import BundleError, DpnpError
from interpret.bundle.gallery_table import GalleryPart
from interpret.bundle.manifest import Change, ClassFigures, GalleryMode, Metrics
from interpret.geometry import geometry
from interpret.model.onnx_head import radius_of, with_prototypes
from interpret.model.predictor import Predictor
from interpret.retrieval.gallery_access import without_pictures
from interpret.retrieval.vector_index import index_writer

Floats = NDArray[np.float32]
_CHECKED = 8  # random pictures on which the new graph is compared with the old one
_BEFORE = ", before the last change"  # of the split that figures of merit were measured on
_TOLERANCE = 1e-4  # of the distances, relative to the radius
# Tensors of weights.safetensors with a row for each class; older bundles have no "head.". A softmax
# on the wide features is trained with the classes and has no row for another one.
_CLASS_VECTORS = re.compile(r"(head\.)?(prototypes|classifier)")
_AUXILIARY = re.compile(r"auxiliary\..+")


def write_changed(
    bundle: Bundle,
    out: Path,
    what: str,
    changes: Mapping[str, object],
    gallery: Iterable[GalleryPart],
    prototypes: Floats | None = None,
    features: NDArray[np.floating] | None = None,
    *,
    next_id: int | None = None,
    index: IndexWriter | None = None,
) -> Bundle:
    """Write at `out` the bundle with `changes` of its manifest, described by `what`, with another
    gallery, its pooled features too, and with other prototypes (M, d) unless they are None.

    `next_id` is the id after the largest one that the gallery was given; None: none was given.
    `index` writes the index of a large gallery; by default the bundle's own is kept up.

    Raises BundleError when the graph cannot be given the prototypes.
    """
    manifest, model = bundle.manifest, bundle.read("model.onnx")
    weights = bundle.read("weights.safetensors")
    mode = changes.get("gallery_mode", manifest.gallery_mode)
    update: dict[str, Any] = {
        **changes,
        "name": out.name,
        "changes": [*manifest.changes, Change(parent=manifest.fingerprint, what=what)],
        "next_gallery_id": max(bundle.next_gallery_id, next_id or 0),
    }
    if prototypes is not None:
        radius = sphere_radius(bundle)
        on_sphere = np.allclose(np.linalg.norm(prototypes, axis=1), radius, rtol=NORM_TOLERANCE)
        update["radius"] = radius if on_sphere else None
        names: list[str] = update.get("class_names", manifest.class_names)
        update["metrics"] = _stale(manifest.metrics, prototypes, names)
        temperature = manifest.calibration.temperature if manifest.calibration else 1.0
        model = with_prototypes(model, prototypes, radius, temperature)
        _check(model, bundle, prototypes)
        weights = with_class_vectors(weights, prototypes)
    return write_parts(
        out,
        manifest.model_copy(update=update),
        model=model,
        prototypes=bundle.prototypes if prototypes is None else prototypes,
        gallery=(
            part._replace(table=without_pictures(part.table, cast("GalleryMode", mode), out))
            for part in gallery
        ),
        weights=weights,
        features=features,
        index=index or index_writer(bundle),
    )


def sphere_radius(bundle: Bundle) -> float:
    """The radius of the sphere that the network was trained on; added prototypes may lie inside.

    Raises DpnpError for a network that was trained without a sphere.
    """
    radius = bundle.manifest.radius or radius_of(bundle.read("model.onnx"))
    if radius is None:
        raise DpnpError(f"{bundle.path}: its prototypes do not lie on one sphere")
    return radius


def with_class_vectors(weights: bytes, prototypes: Floats) -> bytes:
    """The torch weights with other prototypes (M, d).

    A classifier of its own takes them too, as the changed graph answers with the nearest
    prototype; the auxiliary softmax of training is left out. Empty weights stay empty.
    """
    if not weights:
        return weights
    tensors = {
        name: prototypes.astype(values.dtype) if _CLASS_VECTORS.fullmatch(name) else values
        for name, values in safetensors.numpy.load(weights).items()
        if not _AUXILIARY.fullmatch(name)
    }
    saved: bytes = safetensors.numpy.save(tensors)
    return saved


def _stale(before: Metrics, prototypes: Floats, class_names: Sequence[str]) -> Metrics:
    """The parent's figures, named as such, for the classes that there are now, with what can be
    known without pictures: the angles.
    """
    nearest = geometry.nearest_angles(prototypes)
    angles = {
        "min_sep_deg": float(nearest.min()),
        "mean_sep_deg": float(nearest.mean()),
        "std_deg": float(nearest.std()),
    }
    split = before.split.removesuffix(_BEFORE) + _BEFORE
    per_class = None
    if before.per_class is not None:
        known = {figures.label: figures for figures in before.per_class}
        per_class = [known.get(name) or _unmeasured(name) for name in class_names]
    return before.model_copy(
        update={
            "split": split,
            "geometry": before.geometry.model_copy(update=angles),
            "per_class": per_class,
        }
    )


def _unmeasured(label: str) -> ClassFigures:
    return ClassFigures(label=label, examples=0, answers=0, recall=None, precision=None, f1=None)


def _check(model: bytes, bundle: Bundle, prototypes: Floats) -> None:
    """The new graph must embed as the old one does, and measure to the new prototypes."""
    new, old = Predictor(model), Predictor(bundle)
    shape = (_CHECKED, new.input_size, new.input_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found, expected = new(pixels), old(pixels)
    away = geometry.distances(expected.embedding, prototypes)
    tolerance = _TOLERANCE * sphere_radius(bundle)
    if not (
        np.allclose(found.embedding, expected.embedding, atol=tolerance)
        and np.allclose(found.distances, away, atol=tolerance)
    ):
        raise BundleError(f"{bundle.path / 'model.onnx'}: its graph cannot be given new prototypes")
