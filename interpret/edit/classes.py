"""Classes added and removed without training: a class is a prototype, the embedding stays."""

from __future__ import annotations

import dataclasses
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_table import GalleryPart, parts_of
from interpret.edit.changed_bundle import sphere_radius, write_changed
from interpret.edit.new_pictures import extended_features, picture_files, read_pictures
from interpret.geometry import geometry
from interpret.model.predictor import Prediction
from interpret.trust.calibration import conformal_quantile, label_margins

Floats = NDArray[np.float32]


def add_class(
    bundle: Bundle,
    label: str,
    folder: Path,
    out: Path,
    *,
    on_sphere: bool = False,
    strict: bool = False,
) -> Bundle:
    """Write a bundle with one more class, whose prototype is the mean embedding of a folder's
    pictures. The pictures join the gallery. One that cannot be read is named in the log and
    skipped, or with `strict` an error.

    Pictures of a class that the network was not trained on lie inside the sphere, between the
    classes that it knows. Pushed out to the sphere (`on_sphere`), the prototype would be farther
    from its own pictures than the old ones are; by default it stays where the pictures are.

    Raises DpnpError for a label that exists or is blank, a folder without pictures, or a model
    whose prototypes did not come from a sphere.
    """
    if label in bundle.manifest.class_names:
        raise DpnpError(f"there is a class {label!r} already")
    if not label.strip():
        raise DpnpError("a class needs a name: nobody could ask for one without")
    new = read_pictures(bundle, picture_files(folder), strict=strict)
    embeddings = new.prediction.embedding
    radius = sphere_radius(bundle) if on_sphere else None
    prototype = placed(embeddings.mean(0, dtype=np.float64), radius)
    names = [*bundle.manifest.class_names, label]
    found = bundle.manifest.calibration
    return write_changed(
        bundle,
        out,
        f"class {label!r} added from {len(new.files)} pictures",
        {
            "class_names": names,
            "calibration": found and _with_class(found, bundle, new.prediction, label, radius),
        },
        chain(
            parts_of(bundle.gallery, bundle.embeddings),
            [
                GalleryPart(
                    new.table([len(names) - 1] * len(new.files), bundle.next_gallery_id), embeddings
                )
            ],
        ),
        np.concatenate([bundle.prototypes, prototype[None].astype(np.float32)]),
        features=extended_features(bundle, np.arange(len(bundle.embeddings)), new),
        next_id=bundle.next_gallery_id + len(new.files),
    )


def remove_class(bundle: Bundle, label: str, out: Path) -> Bundle:
    """Write a bundle without one of its classes and that class's gallery pictures.

    Raises UnknownLabelError, and DpnpError when fewer than two classes would be left.
    """
    gone = bundle.class_index(label)
    names = [name for name in bundle.manifest.class_names if name != label]
    if len(names) < 2:
        raise DpnpError(f"without {label!r} there is one class; a model needs two")
    found = bundle.manifest.calibration
    rows = np.flatnonzero(bundle.gallery.labels != gone)
    relabelled = (
        part._replace(
            table=dataclasses.replace(
                part.table, labels=part.table.labels - (part.table.labels > gone)
            )
        )
        for part in parts_of(bundle.gallery, bundle.embeddings, rows)
    )
    return write_changed(
        bundle,
        out,
        f"class {label!r} removed",
        {"class_names": names, "calibration": found and _without_class(found, gone, label)},
        relabelled,
        np.delete(bundle.prototypes, gone, axis=0),
        features=extended_features(bundle, rows),
    )


def accuracy_cost(
    embeddings: Floats, labels: NDArray[np.int64], before: Floats, after: Floats
) -> tuple[float, float]:
    """Accuracy on pictures of the old classes with the prototypes `before` and `after`."""
    shares = [
        float(np.mean(geometry.distances(embeddings, prototypes).argmin(1) == labels))
        for prototypes in (before, after)
    ]
    return shares[0], shares[1]


def placed(mean: NDArray[np.float64], radius: float | None) -> NDArray[np.float64]:
    """A class's mean embedding as a prototype: on the sphere, or where it is."""
    norm = float(np.linalg.norm(mean))
    if not norm:
        raise DpnpError("the pictures' mean embedding is zero: it has no direction")
    return mean if radius is None else mean * (radius / norm)


def limits_of_added(
    found: Calibration,
    others: Floats,
    embeddings: Floats,
    novelty: Floats | None,
    radius: float | None,
) -> tuple[float, float, bool]:
    """Largest distance and smallest margin of an added class beside the `others` (M, d), from its
    pictures' embeddings, and whether they are the loosest of the old classes instead, since there
    are too few pictures, or their novelty is not known.
    """
    share = (1 + found.coverage) / 2
    if novelty is None or len(embeddings) * (1 - share) < share:
        return max(found.max_distance), max(found.min_margin), True
    total, rows = embeddings.sum(0, dtype=np.float64), []
    for h in embeddings:
        own = placed((total - h) / (len(embeddings) - 1), radius)
        rows.append(geometry.distances(h[None], np.vstack([others, own]))[0])
    away = np.stack(rows)
    last = np.full(len(away), away.shape[1] - 1)
    far = conformal_quantile(away[:, -1] + novelty, share)
    return far, max(0.0, -conformal_quantile(-label_margins(away, last), share)), False


def _with_class(
    found: Calibration, bundle: Bundle, new: Prediction, label: str, radius: float | None
) -> Calibration:
    """The calibration with limits of the new class: each of its pictures is measured against the
    mean of the others. Too few pictures: the widest distance and largest margin of the old classes.
    """
    far, near, few = limits_of_added(found, bundle.prototypes, new.embedding, new.novelty, radius)
    pooled = [*found.pooled, label] if few else found.pooled
    return found.model_copy(
        update={
            "max_distance": [*found.max_distance, far],
            "min_margin": [*found.min_margin, near],
            # As a rival of others it counts as long as any class does.
            "rival_margin": found.rival_margin and [*found.rival_margin, max(found.rival_margin)],
            "pooled": pooled,
            "groups": None,  # their coverage was measured without the class
        }
    )


def _without_class(found: Calibration, gone: int, label: str) -> Calibration:
    """The calibration without the class of this index and label."""
    return found.model_copy(
        update={
            "max_distance": np.delete(found.max_distance, gone).tolist(),
            "min_margin": np.delete(found.min_margin, gone).tolist(),
            "rival_margin": found.rival_margin and np.delete(found.rival_margin, gone).tolist(),
            "pooled": [name for name in found.pooled if name != label],
            "groups": None,  # their coverage was measured with the class
            "confusions": [
                pair for pair in found.confusions if label not in (pair.label, pair.answer)
            ],
        }
    )
