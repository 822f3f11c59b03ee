"""Which pictures of a set are near each other, and which are far from all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.missing_parts import named_parts
from interpret.geometry.geometry import Array

with named_parts():
    import faiss

_FEW = 8  # fewer distances have no usual spread


def nearest_others(
    points: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and distances (N, k) of the nearest points to each, itself left out; fewer than k where
    there are no more.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    k = max(min(k, len(points) - 1), 0)
    if k == 0:
        return np.zeros((len(points), 0), np.int64), np.zeros((len(points), 0))
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    _, rows = index.search(points, k + 1)
    # Each point finds itself first. Among exact copies it may not find itself: then the farthest
    # of its neighbours is left out.
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(1), -1] = True
    others = rows[~own].reshape(len(points), k)
    away = np.linalg.norm(points[:, None, :] - points[others], axis=2).astype(np.float64)
    return others, away


def outlier_scores(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], neighbours: int
) -> Array:
    """How far each picture (N,) is from its neighbours of any class, in robust standard
    deviations of that distance within its label, on a log scale. A label of few pictures is
    measured by all pictures, and few pictures in all have no outlier: every score is 0.
    """
    result = np.zeros(len(labels))
    if len(labels) < _FEW:
        return result
    _, away = nearest_others(embeddings, neighbours)
    typical = np.log(np.maximum(away.mean(1), np.finfo(np.float32).tiny))
    for label in np.unique(labels):
        own = labels == label
        measured = typical[own] if own.sum() >= _FEW else typical
        middle = np.median(measured)
        spread = 1.4826 * np.median(np.abs(measured - middle))
        result[own] = (typical[own] - middle) / (spread or 1.0)
    return result
