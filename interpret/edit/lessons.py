"""What a bundle can be taught from: features of its gallery, and corrections that fit it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.edit.corrections import Correction, CorrectionsFile
from interpret.edit.refit import Examples, Head
from interpret.model.images import Preprocessing, decode
from interpret.model.onnx_projection import projection_of, trunk_digest
from interpret.model.predictor import Predictor

Floats = NDArray[np.float32]


class Lessons(NamedTuple):
    """Corrections as features, and why others were left out."""

    examples: Examples  # features (N, F) float32
    pixels_sha256: list[str]
    left_out: dict[str, int]  # by reason


def head_of(bundle: Bundle) -> Head:
    """The bundle's projection and prototypes."""
    found = projection_of(bundle.read("model.onnx"))
    return Head(*(part.astype(np.float64) for part in (*found[:2], bundle.prototypes)))


def read_lessons(bundle: Bundle, file: Path) -> Lessons:
    """The corrections in a file of feedback that a bundle can learn.

    Features that another network made are computed anew where the picture was kept. Raises
    DpnpError when nothing is left.
    """
    with CorrectionsFile(file) as opened:
        corrections = opened.latest()
    if not corrections:
        raise DpnpError(f"{file}: no corrections in it")
    names = set(bundle.manifest.class_names)
    known = [each for each in corrections if each.label in names]
    trunk, width = trunk_digest(bundle.read("model.onnx")), head_of(bundle).weight.shape[1]
    own = [c.trunk == trunk and len(c.features) == width for c in known]
    foreign = [c for c, fits in zip(known, own, strict=True) if not fits]
    seen = [c for c in foreign if c.picture is not None]
    usable = [c for c, fits in zip(known, own, strict=True) if fits]
    features = [c.features for c in usable]
    if seen:
        features += list(_features(bundle, seen))
    usable += seen
    left_out = {
        "of classes that the model does not have": len(corrections) - len(known),
        "of another network, without their pictures": len(foreign) - len(seen),
    }
    left_out = {why: count for why, count in left_out.items() if count}
    if not usable:
        reasons = ", ".join(f"{count} {why}" for why, count in left_out.items())
        raise DpnpError(f"{file}: nothing that {bundle.path} can learn: {reasons}")
    labels = np.array([bundle.class_index(each.label) for each in usable], np.int64)
    return Lessons(
        Examples(np.stack(features), labels), [each.pixels_sha256 for each in usable], left_out
    )


def _features(bundle: Bundle, corrections: Sequence[Correction]) -> Floats:
    fitted, predictor = Preprocessing.of(bundle.manifest), Predictor(bundle, pooled=True)
    pixels = np.stack([fitted(decode(c.picture)) for c in corrections if c.picture is not None])
    pooled = predictor(pixels).pooled
    assert pooled is not None
    return pooled
