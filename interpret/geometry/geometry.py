"""How prototypes and embeddings lie: distances, angles and the paper's measures, in NumPy.

Angles are in degrees. Vectors are normalised first (the paper's eq. 11 and 12 leave that out) and
cosines clamped to [−1, 1]. Smaller angles and distances mean nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_CHUNK = 4096  # rows at a time, to bound the memory of rows × classes
_PART = 2**22  # numbers of a part of rows × classes
_FEW = 128  # values that are sorted whole: quicker than to look for the smallest ones first


def distances(points: NDArray[np.floating], prototypes: NDArray[np.floating]) -> Array:
    """Euclidean distances (N, M) between points (N, d) and prototypes (M, d), in float64."""
    result = np.empty((len(points), len(prototypes)))
    centres = prototypes.astype(np.float64)
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK].astype(np.float64)
        squares = (part**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * part @ centres.T
        result[start : start + _CHUNK] = np.sqrt(np.maximum(squares, 0))
    return result


class Nearest(NamedTuple):
    """The nearest prototype of each of N points, and the distances to it and to the next one."""

    prototype: NDArray[np.int64]  # (N,)
    distances: Array  # (N, 2); the second is infinite where there is one prototype


def two_nearest(points: NDArray[np.floating], prototypes: NDArray[np.floating]) -> Nearest:
    """The two nearest prototypes (M, d) of points (N, d), without all N × M distances at once."""
    index = np.zeros(len(points), np.int64)
    found = np.full((len(points), 2), np.inf)
    for rows in _parts(len(points), len(prototypes)):
        away = distances(points[rows], prototypes)
        index[rows] = away.argmin(1)
        two = np.partition(away, min(1, away.shape[1] - 1), axis=1)[:, :2]
        found[rows, : two.shape[1]] = two
    return Nearest(index, found)


def nearest_rivals(
    prototypes: NDArray[np.floating], rows: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.int64], Array]:
    """The index of the nearest other prototype, and the distance to it, for prototypes `rows` of
    (M, d), or for all.
    """
    own = np.arange(len(prototypes)) if rows is None else rows
    centres, index = prototypes.astype(np.float64), np.empty(len(own), np.int64)
    half_squares = (centres**2).sum(1) / 2
    for part in _parts(len(own), len(prototypes)):
        # c·c_j − ‖c_j‖²/2 is largest for the nearest one.
        scores = centres[own[part]] @ centres.T
        scores -= half_squares
        scores[np.arange(len(scores)), own[part]] = -np.inf
        index[part] = scores.argmax(1)
    away = np.linalg.norm(centres[own] - centres[index], axis=1)
    return index, away if len(centres) > 1 else np.full(len(own), np.inf)


def _parts(rows: int, columns: int) -> Iterator[slice]:
    """Slices of rows, so few together that their products with all columns take 32 MB."""
    step = max(1, _PART // max(columns, 1))
    return (slice(start, start + step) for start in range(0, rows, step))


def angles(points: NDArray[np.floating], others: NDArray[np.floating]) -> Array:
    """Angles (N, M) between points (N, d) and others (M, d). A zero vector is at 90° to all."""
    return _degrees(_unit(points) @ _unit(others).T)


def paired_angles(points: NDArray[np.floating], others: NDArray[np.floating]) -> Array:
    """The angle (N,) between each of the points (N, d) and the other (N, d) in its row."""
    return _degrees((_unit(points) * _unit(others)).sum(-1))


def chosen_angles(
    points: NDArray[np.floating], others: NDArray[np.floating], chosen: NDArray[np.integer]
) -> Array:
    """Angles (N, k) between each of the points (N, d) and those of the others (M, d) that its row
    of `chosen` (N, k) names.
    """
    result = np.empty(chosen.shape)
    for rows in _parts(len(points), chosen.shape[1] * points.shape[1]):
        result[rows] = paired_angles(points[rows, None], others[chosen[rows]])
    return result


def smallest(values: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """The indices of the smallest in each row of values (N, M), smallest first; of equal ones the
    first.
    """
    if values.shape[1] <= max(count, _FEW):
        return np.argsort(values, axis=1, kind="stable")[:, :count]
    found = np.empty((len(values), count), np.int64)
    for row, own in enumerate(values):
        found[row] = _smallest(own, count)
    return found


def _smallest(values: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    candidates = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    return candidates[np.argsort(values[candidates], kind="stable")[:count]]


def nearest_angles(prototypes: NDArray[np.floating]) -> Array:
    """Angle (M,) of each prototype to its nearest neighbour among the others."""
    unit, nearest = _unit(prototypes), np.empty(len(prototypes))
    for rows in _parts(len(unit), len(unit)):
        cosines = unit[rows] @ unit.T
        own = np.arange(len(cosines))
        cosines[own, own + rows.start] = -np.inf
        nearest[rows] = _degrees(cosines.max(1))
    return nearest


def intra_class_angles(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    prototypes: NDArray[np.floating],
) -> Array:
    """Angle (N,) of each embedding to the prototype of its own class, eq. 12."""
    return paired_angles(embeddings, prototypes[labels])


def separation_to_compactness(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    prototypes: NDArray[np.floating],
) -> float:
    """SCR, eq. 13, averaged over the classes that have embeddings.

    For a class it is the distance to the nearest rival prototype over the mean distance of its
    embeddings to their own. Infinite when all embeddings of a class lie on their prototype.
    """
    _, between = nearest_rivals(prototypes)
    own = np.linalg.norm(embeddings.astype(np.float64) - prototypes[labels], axis=1)
    counts = np.bincount(labels, minlength=len(prototypes))
    sums = np.bincount(labels, weights=own, minlength=len(prototypes))
    present = counts > 0
    with np.errstate(divide="ignore"):
        ratios = between[present] * counts[present] / sums[present]
    return float(np.mean(ratios))


def _degrees(cosines: Array) -> Array:
    angles: Array = np.degrees(np.arccos(np.minimum(np.maximum(cosines, -1), 1)))
    return angles


def _unit(vectors: NDArray[np.floating]) -> Array:
    wide: Array = vectors.astype(np.float64)
    norms = np.sqrt(np.add.reduce(wide * wide, axis=-1, keepdims=True))
    unit: Array = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
    return unit
