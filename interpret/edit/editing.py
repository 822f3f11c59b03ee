"""A bundle changed without training: classes added or removed, the gallery updated.

The embedding stays as it is; a class is a prototype, and the end of the ONNX graph is written anew
around the prototypes. Every change goes into a new bundle that names its parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from interpret.bundle.bundle import NORM_TOLERANCE, Bundle, GalleryTable, write_bundle
from interpret.bundle.errors import BundleError, DpnpError, ImageError
from interpret.bundle.manifest import Calibration, Change, Manifest, Metrics
from interpret.geometry import geometry
from interpret.model.images import Preprocessing, open_image, pictures_in, thumbnail
from interpret.model.onnx_head import radius_of, with_prototypes
from interpret.model.predictor import Predictor, concatenated
from interpret.model.progress import parallel_map
from interpret.trust.calibration import conformal_quantile, label_margins

Floats = NDArray[np.float32]
_CHECKED = 8  # random pictures on which the new graph is compared with the old one
_BEFORE = ", before the last change"  # of the split that figures of merit were measured on
_TOLERANCE = 1e-4  # of the distances, relative to the radius


def add_class(
    bundle: Bundle, label: str, folder: Path, out: Path, *, on_sphere: bool = False
) -> Bundle:
    """A bundle with one more class: its prototype is the mean embedding of a folder's pictures.
    The pictures join the gallery.

    What a network was not taught lies well inside the sphere, between the classes that it knows.
    Put out on the sphere (`on_sphere`), its prototype would be farther from its own pictures than
    the old ones are; so by default it stays where the pictures are.

    Raises DpnpError for a label that exists, a folder without pictures, or a model whose
    prototypes did not come from a sphere.
    """
    if label in bundle.manifest.class_names:
        raise DpnpError(f"there is a class {label!r} already")
    files = _files(folder)
    embeddings, novelty = embed(bundle, files)
    radius = _radius(bundle) if on_sphere else None
    prototype = _placed(embeddings.mean(0, dtype=np.float64), radius)
    prototypes = np.concatenate([bundle.prototypes, prototype[None].astype(np.float32)])
    names = [*bundle.manifest.class_names, label]
    found = bundle.manifest.calibration
    changes: dict[str, object] = {
        "class_names": names,
        "calibration": found and _with_class(found, bundle, embeddings, novelty, label, radius),
    }
    table = _appended(bundle.gallery, files, [len(names) - 1] * len(files), _next_id(bundle))
    what = f"class {label!r} added from {len(files)} pictures"
    return _write(
        bundle,
        out,
        what,
        changes,
        prototypes,
        table,
        np.concatenate([bundle.embeddings, embeddings]),
    )


def remove_class(bundle: Bundle, label: str, out: Path) -> Bundle:
    """A bundle without one of its classes and that class's gallery pictures.

    Raises UnknownLabelError, and DpnpError when fewer than two classes would be left.
    """
    gone = bundle.class_index(label)
    names = [name for name in bundle.manifest.class_names if name != label]
    if len(names) < 2:
        raise DpnpError(f"without {label!r} there is one class; a model needs two")
    found = bundle.manifest.calibration
    changes: dict[str, object] = {
        "class_names": names,
        "calibration": found
        and found.model_copy(
            update={
                "max_distance": np.delete(found.max_distance, gone).tolist(),
                "min_margin": np.delete(found.min_margin, gone).tolist(),
                "pooled": [name for name in found.pooled if name != label],
            }
        ),
    }
    table, embeddings = _rows(bundle, bundle.gallery.labels != gone)
    labels = table.labels - (table.labels > gone)
    table = GalleryTable(table.ids, labels, table.splits, table.sources, table.thumbnails)
    prototypes = np.delete(bundle.prototypes, gone, axis=0)
    return _write(bundle, out, f"class {label!r} removed", changes, prototypes, table, embeddings)


def update_gallery(
    bundle: Bundle, added: Mapping[str, Path], removed: Sequence[int], out: Path
) -> Bundle:
    """A bundle whose gallery has the pictures of folders, by label, and lacks some ids.

    Raises UnknownLabelError and UnknownExampleError.
    """
    keep = np.ones(len(bundle.gallery.ids), bool)
    keep[[bundle.gallery_row(example) for example in removed]] = False
    table, embeddings = _rows(bundle, keep)
    files, labels = [], []
    for label, folder in added.items():
        own = _files(folder)
        files += own
        labels += [bundle.class_index(label)] * len(own)
    if files:
        table = _appended(table, files, labels, _next_id(bundle))
        embeddings = np.concatenate([embeddings, embed(bundle, files)[0]])
    what = f"gallery: {len(files)} pictures added, {len(removed)} removed"
    return _write(bundle, out, what, {}, None, table, embeddings)


def embed(bundle: Bundle, files: Sequence[Path]) -> tuple[Floats, Floats]:
    """The embeddings (N, d) and novelties (N,) of picture files. Raises ImageError that names the
    file.
    """
    predictor = Predictor(bundle)
    fitted = Preprocessing.of(bundle.manifest)
    parts = [
        predictor(np.stack([fitted(open_image(file)) for file in files[start : start + 256]]))
        for start in range(0, len(files), 256)
    ]
    whole = concatenated(parts)
    return whole.embedding, whole.novelty


def accuracy_cost(
    embeddings: Floats, labels: NDArray[np.int64], before: Floats, after: Floats
) -> tuple[float, float]:
    """Accuracy on pictures of the old classes with the prototypes `before` and `after`."""
    shares = [
        float(np.mean(geometry.distances(embeddings, prototypes).argmin(1) == labels))
        for prototypes in (before, after)
    ]
    return shares[0], shares[1]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    files = pictures_in(folder)
    if not files:
        raise ImageError(f"{folder}: no pictures in it")
    return files


def _placed(mean: NDArray[np.float64], radius: float | None) -> NDArray[np.float64]:
    """A class's mean embedding as a prototype: on the sphere, or where it is."""
    norm = float(np.linalg.norm(mean))
    if not norm:
        raise DpnpError("the pictures' mean embedding is zero: it has no direction")
    return mean if radius is None else mean * (radius / norm)


def _with_class(
    found: Calibration,
    bundle: Bundle,
    embeddings: Floats,
    novelty: Floats,
    label: str,
    radius: float | None,
) -> Calibration:
    """The new class's own limits, each picture measured against the mean of the others; with too
    few pictures the widest distance and the largest margin of the other classes.
    """
    total, share = embeddings.sum(0, dtype=np.float64), (1 + found.coverage) / 2
    far, near = max(found.max_distance), max(found.min_margin)
    pooled = found.pooled
    if len(embeddings) * (1 - share) >= share:
        rows = []
        for h in embeddings:
            own = _placed((total - h) / (len(embeddings) - 1), radius)
            rows.append(geometry.distances(h[None], np.vstack([bundle.prototypes, own]))[0])
        away = np.stack(rows)
        last = np.full(len(away), away.shape[1] - 1)
        far = conformal_quantile(away[:, -1] + novelty, share)
        near = max(0.0, -conformal_quantile(-label_margins(away, last), share))
    else:
        pooled = [*pooled, label]
    return found.model_copy(
        update={
            "max_distance": [*found.max_distance, far],
            "min_margin": [*found.min_margin, near],
            "pooled": pooled,
        }
    )


def _rows(bundle: Bundle, keep: NDArray[np.bool_]) -> tuple[GalleryTable, Floats]:
    table, rows = bundle.gallery, np.flatnonzero(keep).tolist()
    kept = GalleryTable(
        table.ids[rows],
        table.labels[rows],
        [table.splits[i] for i in rows],
        [table.sources[i] for i in rows],
        [table.thumbnails[i] for i in rows],
    )
    return kept, bundle.embeddings[rows]


def _next_id(bundle: Bundle) -> int:
    return int(bundle.gallery.ids.max(initial=-1)) + 1


def _appended(
    table: GalleryTable, files: Sequence[Path], labels: Sequence[int], start: int
) -> GalleryTable:
    """The table with pictures from files, whose ids count from `start`."""
    return GalleryTable(
        np.concatenate([table.ids, np.arange(start, start + len(files))]),
        np.concatenate([table.labels, np.asarray(labels, np.int64)]),
        [*table.splits, *["added"] * len(files)],
        [*table.sources, *[f"{file.parent.name}/{file.name}" for file in files]],
        [
            *table.thumbnails,
            *parallel_map(lambda file: thumbnail(open_image(file)), files, "thumbnails"),
        ],
    )


def _write(
    bundle: Bundle,
    out: Path,
    what: str,
    changes: dict[str, object],
    prototypes: Floats | None,
    table: GalleryTable,
    embeddings: Floats,
) -> Bundle:
    """The changed bundle at `out`; `prototypes` is None when they stay as they are."""
    manifest, model = bundle.manifest, bundle.read("model.onnx")
    weights = bundle.read("weights.safetensors")
    history = [*manifest.changes, Change(parent=manifest.fingerprint, what=what)]
    changes |= {"changes": history, "name": out.name}
    if prototypes is not None:
        changes["metrics"] = _stale(manifest, prototypes)
        radius = _radius(bundle)
        on_sphere = np.allclose(np.linalg.norm(prototypes, axis=1), radius, rtol=NORM_TOLERANCE)
        changes["radius"] = radius if on_sphere else None
        temperature = manifest.calibration.temperature if manifest.calibration else 1.0
        model = with_prototypes(model, prototypes, radius, temperature)
        _check(model, bundle, prototypes)
        weights = _with_prototypes(weights, prototypes)
    return write_bundle(
        out,
        manifest.model_copy(update=changes),
        model=model,
        prototypes=bundle.prototypes if prototypes is None else prototypes,
        embeddings=embeddings,
        gallery=table,
        weights=weights,
    )


def _radius(bundle: Bundle) -> float:
    """Of the sphere that the network was trained on: an added prototype may lie inside of it."""
    radius = bundle.manifest.radius or radius_of(bundle.read("model.onnx"))
    if radius is None:
        raise DpnpError(f"{bundle.path}: its prototypes do not lie on one sphere")
    return radius


def _stale(manifest: Manifest, prototypes: Floats) -> Metrics:
    """The parent's figures, named as such, with what can be known without pictures: the angles."""
    nearest, before = geometry.nearest_angles(prototypes), manifest.metrics
    angles = {
        "min_sep_deg": float(nearest.min()),
        "mean_sep_deg": float(nearest.mean()),
        "std_deg": float(nearest.std()),
    }
    split = before.split.removesuffix(_BEFORE) + _BEFORE
    return before.model_copy(
        update={"split": split, "geometry": before.geometry.model_copy(update=angles)}
    )


def _check(model: bytes, bundle: Bundle, prototypes: Floats) -> None:
    """The new graph must embed as the old one does, and measure to the new prototypes."""
    new, old = Predictor(model), Predictor(bundle)
    shape = (_CHECKED, new.input_size, new.input_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found, expected = new(pixels), old(pixels)
    away = geometry.distances(expected.embedding, prototypes)
    tolerance = _TOLERANCE * _radius(bundle)
    if not (
        np.allclose(found.embedding, expected.embedding, atol=tolerance)
        and np.allclose(found.distances, away, atol=tolerance)
    ):
        raise BundleError(f"{bundle.path / 'model.onnx'}: its graph cannot be given new prototypes")


def _with_prototypes(weights: bytes, prototypes: Floats) -> bytes:
    """The torch weights with the new prototypes; as they are where they hold none."""
    if not weights:
        return weights
    tensors = safetensors.numpy.load(weights)
    if "prototypes" not in tensors:
        return weights
    saved: bytes = safetensors.numpy.save(tensors | {"prototypes": prototypes})
    return saved
