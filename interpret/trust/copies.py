"""Copies among pictures: the same file, the same pixels, or nearly the same picture.

Files and pixels are compared by their digests, so that every exact copy is found: of faint and of
constant pictures too, and in groups of any size. Nearly the same pictures are found by the
correlation of small versions, whatever their brightness and contrast.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.missing_parts import named_parts

with named_parts():
    import faiss

Likeness = Literal["same file", "same pixels", "nearly the same"]
SIGNATURE = 16  # pixels a side of the small pictures in which near-duplicates are looked for
SAME = 0.985  # two such pictures are near-duplicates from this correlation on
_CONTRAST = 6.0  # a picture whose 0–255 values have a smaller standard deviation has no signature
_NEAREST = 6  # pictures, itself among them, that each is compared with


class Copy(NamedTuple):
    """Two pictures (rows, the smaller first) that show the same, and their correlation."""

    first: int
    second: int
    likeness: Likeness
    correlation: float


class Looks(NamedTuple):
    """How N pictures look: `signatures` (N, 768), see `signature`; a digest of the pixels of each;
    and of its file's bytes, None for pictures that are not files.
    """

    signatures: NDArray[np.float32]
    pixels: Sequence[Hashable]
    files: Sequence[Hashable | None]


def signature(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Small pictures (N, 16, 16, 3) as unit vectors (N, 768) without brightness and contrast.

    The product of two is their correlation. A picture without contrast gives zeros, so that it is
    like no other.
    """
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    enough = norms > _CONTRAST * np.sqrt(flat.shape[1])
    unit: NDArray[np.float32] = np.divide(flat, norms, out=np.zeros_like(flat), where=enough)
    return unit


def copies(looks: Looks) -> list[Copy]:
    """Every copy of a file, then every other picture of the same pixels, each paired with the first
    of its group, then near-duplicates, most alike first.

    One picture of each group stands for it in the next search. Of a large cluster not all near
    pairs are found, but for each picture those with its nearest five.
    """
    rows = np.arange(len(looks.pixels))
    files, rows = _grouped(looks.files, rows, "same file")
    pixels, rows = _grouped(looks.pixels, rows, "same pixels")
    near = [
        Copy(int(rows[a]), int(rows[b]), "nearly the same", alike)
        for a, b, alike in near_duplicates(looks.signatures[rows])
    ]
    return files + pixels + near


def near_duplicates(signatures: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Pairs of pictures (a, b, correlation) whose correlation is at least SAME, most alike first;
    for each picture those with its nearest five.
    """
    if not len(signatures):
        return []
    index = faiss.IndexFlatIP(signatures.shape[1])
    index.add(signatures)
    alike, rows = index.search(signatures, min(_NEAREST, len(signatures)))
    pairs = {
        (min(a, b), max(a, b)): float(value)
        for a, (found, values) in enumerate(zip(rows.tolist(), alike.tolist(), strict=True))
        for b, value in zip(found, values, strict=True)
        if value >= SAME and a != b
    }
    return sorted(((a, b, v) for (a, b), v in pairs.items()), key=lambda pair: -pair[2])


def _grouped(
    digests: Sequence[Hashable | None], rows: NDArray[np.int64], likeness: Likeness
) -> tuple[list[Copy], NDArray[np.int64]]:
    """The pairs of each group of a digest among the rows, and the rows less all but the first."""
    first: dict[Hashable, int] = {}
    pairs = [
        Copy(first[digests[row]], row, likeness, 1.0)
        for row in rows.tolist()
        if digests[row] is not None and first.setdefault(digests[row], row) != row
    ]
    return pairs, np.setdiff1d(rows, [pair.second for pair in pairs])
