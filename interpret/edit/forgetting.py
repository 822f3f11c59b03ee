"""Training images forgotten on request: taken out of a bundle, with what was made of them.

A receipt says what was removed, what was computed anew, and what this cannot undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_table import GalleryTable, parts_of
from interpret.edit.changed_bundle import write_changed
from interpret.edit.classes import limits_of_added, placed
from interpret.edit.corrections import CorrectionsFile, forget_answers
from interpret.edit.new_pictures import SPLIT, extended_features
from interpret.model.images import Preprocessing, decode
from interpret.model.predictor import Predictor
from interpret.retrieval.gallery_access import remote_address
from interpret.trust.copies import SAME, SIGNATURE, signature

_MEAN = 1e-4  # relative: a prototype this near to its pictures' mean was made of it


class Forgotten(NamedTuple):
    """The bundle that was written, and the receipt, which names no source and holds no picture."""

    bundle: Bundle
    receipt: dict[str, Any]


def forget(
    bundle: Bundle,
    examples: Sequence[int],
    out: Path,
    *,
    near: bool = False,
    feedback: Path | None = None,
) -> Forgotten:
    """Write a bundle without the training images of these ids, and what was made of them.

    `near` takes their near-duplicates along, `feedback` their corrections. Raises
    UnknownExampleError, and DpnpError when an added class would have no picture left.
    """
    asked = sorted({bundle.gallery_row(example) for example in examples})
    gone = dict.fromkeys(asked) | (_near(bundle, asked) if near else {})
    kept = np.setdiff1d(np.arange(len(bundle.gallery.ids)), list(gone))
    prototypes, calibration, recomputed = _made_anew(bundle, np.array(sorted(gone)), kept)
    changes: dict[str, object] = {} if calibration is None else {"calibration": calibration}
    if feedback is not None:
        CorrectionsFile(feedback).close()  # one that is none is said before anything is written
    parent = bundle.manifest
    written = write_changed(
        bundle,
        out,
        f"{len(gone)} training images forgotten",
        changes,
        parts_of(bundle.gallery, bundle.embeddings, kept),
        prototypes,
        features=extended_features(bundle, kept),
    )
    corrections = _forget_feedback(bundle.gallery, sorted(gone), feedback)
    receipt = {
        "what": f"{len(gone)} training images forgotten",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "bundle": {"before": parent.fingerprint, "after": written.manifest.fingerprint},
        "removed": [_entry(bundle, row, origin) for row, origin in sorted(gone.items())],
        "corrections_removed": corrections,
        "recomputed": recomputed,
        "files": {
            name: {"before": _hash(bundle, name), "after": _hash(written, name)}
            for name in sorted({*parent.files, *written.manifest.files})
        },
        "not_undone": [
            *_not_undone(bundle, sorted(gone)),
            *_kept_prototypes(bundle, sorted(gone), recomputed),
            *_unknown_corrections(bundle, sorted(gone), feedback),
        ],
    }
    return Forgotten(written, receipt)


def _near(bundle: Bundle, asked: Sequence[int]) -> dict[int, int | None]:
    """Rows that show what the rows asked for show, each with the row that it is like.

    Rows with the same pixels are; so are thumbnails that `dpnp audit` calls near-duplicates; and
    where there is no thumbnail, rows with the very same embedding.
    """
    table, found = bundle.gallery, {}
    for row in asked:
        same = np.linalg.norm(bundle.embeddings - bundle.embeddings[row], axis=1) == 0
        for other in range(len(table.ids)):
            hashed = table.pixel_hashes[row] is not None
            alike = hashed and table.pixel_hashes[other] == table.pixel_hashes[row]
            if other != row and (alike or (same[other] and not table.thumbnails[other])):
                found[other] = row
    seen = np.array([row for row, content in enumerate(table.thumbnails) if content], np.int64)
    if len(seen):
        signatures = signature(np.stack([_small(table.thumbnails[row]) for row in seen.tolist()]))
        for row in set(asked) & set(seen.tolist()):
            own = signatures[np.searchsorted(seen, row)]
            for other in seen[signatures @ own >= SAME].tolist():
                found.setdefault(other, row)
    return {row: origin for row, origin in found.items() if row not in asked}


def _small(content: bytes) -> NDArray[np.uint8]:
    side = (SIGNATURE, SIGNATURE)
    return np.asarray(decode(content).convert("RGB").resize(side, Image.Resampling.BOX))


def _made_anew(
    bundle: Bundle, gone: NDArray[np.int64], kept: NDArray[np.int64]
) -> tuple[NDArray[np.float32] | None, Calibration | None, list[str]]:
    """Prototypes and limits of the added classes that lose pictures; None where none do."""
    table, names = bundle.gallery, bundle.manifest.class_names
    prototypes, found = bundle.prototypes.copy(), bundle.manifest.calibration
    recomputed = []
    for index in np.unique(table.labels[gone]).tolist():
        radius = _made_of(bundle, index)
        if radius is None:
            continue
        rows = _added(table, kept, index)
        if not len(rows):
            raise DpnpError(
                f"class {names[index]!r} was made of these pictures alone: remove it with "
                "dpnp remove-class"
            )
        mean = bundle.embeddings[rows].mean(0, dtype=np.float64)
        prototypes[index] = placed(mean, radius or None)
        recomputed.append(f"prototype of class {names[index]!r}, from {len(rows)} pictures")
        if found is not None:
            others = np.delete(prototypes, index, axis=0)
            limits = limits_of_added(
                found, others, bundle.embeddings[rows], _novelty(bundle, rows), radius or None
            )
            found = found.model_copy(update=_replaced(found, index, names[index], limits))
            recomputed.append(f"limits of class {names[index]!r}")
    if not recomputed:
        return None, None, []
    return prototypes, found, recomputed


def _made_of(bundle: Bundle, index: int) -> float | None:
    """The radius that a class's prototype was put at, 0 for none, when it is the mean of the
    pictures that came with the class; None when it is not.
    """
    rows = _added(bundle.gallery, np.arange(len(bundle.gallery.ids)), index)
    if not len(rows):
        return None
    mean, own = bundle.embeddings[rows].mean(0, dtype=np.float64), bundle.prototypes[index]
    if np.linalg.norm(mean - own) <= _MEAN * np.linalg.norm(own):
        return 0.0
    norm = float(np.linalg.norm(own))
    pushed = mean * (norm / max(float(np.linalg.norm(mean)), 1e-30))
    return norm if np.linalg.norm(pushed - own) <= _MEAN * norm else None


def _added(table: GalleryTable, rows: NDArray[np.int64], index: int) -> NDArray[np.int64]:
    own = [row for row in rows.tolist() if table.labels[row] == index]
    return np.array([row for row in own if table.splits[row] == SPLIT], np.int64)


def _novelty(bundle: Bundle, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Novelty of gallery rows from their thumbnails; None when some have none.

    A model without novelty needs no pictures: it is 0.
    """
    predictor = Predictor(bundle)
    if not predictor.has_novelty:
        return np.zeros(len(rows), np.float32)
    contents = [bundle.gallery.thumbnails[row] for row in rows.tolist()]
    if not all(contents):
        return None
    fitted = Preprocessing.of(bundle.manifest)
    return predictor(np.stack([fitted(decode(content)) for content in contents])).novelty


def _replaced(
    found: Calibration, index: int, name: str, limits: tuple[float, float, bool]
) -> dict[str, object]:
    far, close = list(found.max_distance), list(found.min_margin)
    far[index], close[index], pooled = limits
    rivals = found.rival_margin and list(found.rival_margin)
    if rivals:
        rivals[index] = max(rivals)
    others = [each for each in found.pooled if each != name]
    return {
        "max_distance": far,
        "min_margin": close,
        "rival_margin": rivals,
        "pooled": [*others, name] if pooled else others,
    }


def _forget_feedback(table: GalleryTable, rows: Sequence[int], feedback: Path | None) -> int:
    if feedback is None:
        return 0
    hashes = [digest for row in rows if (digest := table.pixel_hashes[row]) is not None]
    forget_answers(feedback, hashes)  # first: a correction by request id would bring them back
    with CorrectionsFile(feedback) as file:
        return sum(map(file.remove, hashes))


def _entry(bundle: Bundle, row: int, origin: int | None) -> dict[str, Any]:
    table = bundle.gallery
    return {
        "id": int(table.ids[row]),
        "label": bundle.manifest.class_names[table.labels[row]],
        "pixels_sha256": table.pixel_hashes[row],
        "near_duplicate_of": None if origin is None else int(table.ids[origin]),
    }


def _hash(bundle: Bundle, name: str) -> str | None:
    entry = bundle.manifest.files.get(name)
    return None if entry is None else entry.sha256


def _not_undone(bundle: Bundle, rows: Sequence[int]) -> list[str]:
    """What the pictures may have left behind, in words."""
    manifest, trained = bundle.manifest, any(bundle.gallery.splits[row] != SPLIT for row in rows)
    left = [f"the parent bundle {manifest.fingerprint}: delete every copy of it"]
    if trained:
        left.append("the weights of the network, which was trained on these pictures")
        left.append("the figures of the training split in the manifest")
        if manifest.calibration is not None and manifest.calibration.novelty is not None:
            left.append("mean, covariance and centres of novelty, which training pictures gave")
    if any(change.what.startswith("taught ") for change in manifest.changes):
        left.append("the head, which was refitted on the gallery's features: teach the parent anew")
    if manifest.search is not None:
        left.append("the cells of the gallery's index, whose centres were found with them")
    if manifest.gallery_mode == "remote":
        addresses = [remote_address(manifest, int(bundle.gallery.ids[row])) for row in rows]
        left.append("thumbnails elsewhere: " + ", ".join(addresses))
    return left


def _kept_prototypes(bundle: Bundle, rows: Sequence[int], recomputed: Sequence[str]) -> list[str]:
    """Prototypes of added classes that may hold the pictures still: the gallery has changed since
    they were made, so of which pictures is not known.
    """
    manifest, table = bundle.manifest, bundle.gallery
    names = {manifest.class_names[table.labels[row]] for row in rows if table.splits[row] == SPLIT}
    return [
        f"the prototype and the limits of class {name!r}, which were made of pictures before the "
        "gallery changed: remove the class and add it anew"
        for name in sorted(names)
        if any(change.what.startswith(f"class {name!r} added") for change in manifest.changes)
        and not any(done.startswith(f"prototype of class {name!r},") for done in recomputed)
    ]


def _unknown_corrections(bundle: Bundle, rows: Sequence[int], feedback: Path | None) -> list[str]:
    hashes = bundle.gallery.pixel_hashes
    unknown = [int(bundle.gallery.ids[row]) for row in rows if hashes[row] is None]
    if feedback is None or not unknown:
        return []
    told = ", ".join(map(str, unknown))
    return [
        f"corrections of the training images {told} in {feedback.name}: the bundle is older than "
        "the hashes of pixels, by which they are found"
    ]
