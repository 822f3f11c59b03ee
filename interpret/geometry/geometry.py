"""How prototypes and embeddings lie: distances, angles and the paper's measures, in NumPy.

Angles are in degrees. Vectors are normalised first (the paper's eq. 11 and 12 leave that out) and
cosines clamped to [−1, 1]. Smaller angles and distances mean nearer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_CHUNK = 4096  # rows at a time, to bound the memory of rows × classes


def distances(points: NDArray[np.floating], prototypes: NDArray[np.floating]) -> Array:
    """Euclidean distances (N, M) between points (N, d) and prototypes (M, d), in float64."""
    result = np.empty((len(points), len(prototypes)))
    centres = prototypes.astype(np.float64)
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK].astype(np.float64)
        squares = (part**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * part @ centres.T
        result[start : start + _CHUNK] = np.sqrt(np.maximum(squares, 0))
    return result


def angles(points: NDArray[np.floating], others: NDArray[np.floating]) -> Array:
    """Angles (N, M) between points (N, d) and others (M, d). A zero vector is at 90° to all."""
    return _degrees(_unit(points) @ _unit(others).T)


def nearest_angles(prototypes: NDArray[np.floating]) -> Array:
    """Angle (M,) of each prototype to its nearest neighbour among the others."""
    between = angles(prototypes, prototypes)
    np.fill_diagonal(between, np.inf)
    nearest: Array = between.min(1)
    return nearest


def intra_class_angles(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    prototypes: NDArray[np.floating],
) -> Array:
    """Angle (N,) of each embedding to the prototype of its own class, eq. 12."""
    return _degrees((_unit(embeddings) * _unit(prototypes)[labels]).sum(1))


def separation_to_compactness(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    prototypes: NDArray[np.floating],
) -> float:
    """SCR, eq. 13, averaged over the classes that have embeddings.

    For a class it is the distance to the nearest rival prototype over the mean distance of its
    embeddings to their own. Infinite when all embeddings of a class lie on their prototype.
    """
    between = distances(prototypes, prototypes)
    np.fill_diagonal(between, np.inf)
    own = np.linalg.norm(embeddings.astype(np.float64) - prototypes[labels], axis=1)
    counts = np.bincount(labels, minlength=len(prototypes))
    sums = np.bincount(labels, weights=own, minlength=len(prototypes))
    present = counts > 0
    with np.errstate(divide="ignore"):
        ratios = between.min(1)[present] * counts[present] / sums[present]
    return float(np.mean(ratios))


def _degrees(cosines: Array) -> Array:
    angles: Array = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    return angles


def _unit(vectors: NDArray[np.floating]) -> Array:
    wide: Array = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: Array = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
    return unit
