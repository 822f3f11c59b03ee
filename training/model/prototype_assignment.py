"""Which class gets which of the packed points: classes that look alike become neighbours.

On a sphere of few dimensions each prototype has a few near rivals and many far ones. A network
that must tell cats from dogs anyway learns faster when their prototypes are the near ones than
when what lies between them is the place of ships.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DIRECTIONS = 100  # principal directions kept: the rest of a description is noise
_STARTS = 20


def class_similarity(descriptions: NDArray[np.floating], labels: NDArray[np.integer]) -> Array:
    """The similarity of every two classes (M, M): the cosine between the mean descriptions of their
    pictures, with a zero diagonal. Descriptions (N, …) are thumbnails or a network's features; they
    are whitened first, so that all pictures together scatter alike in every direction.
    """
    flat = descriptions.reshape(len(descriptions), -1).astype(np.float64)
    directions, scatter, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    kept = scatter > 1e-6 * scatter.max()
    white = directions[:, kept][:, :_DIRECTIONS]
    means = np.stack([white[labels == label].mean(0) for label in range(labels.max() + 1)])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    unit = means / np.maximum(norms, np.finfo(np.float64).tiny)
    similarity: Array = unit @ unit.T
    np.fill_diagonal(similarity, 0)
    return similarity


def assignment(points: NDArray[np.floating], similarity: Array, seed: int) -> NDArray[np.int64]:
    """The order (M,) of points (M, d) that puts similar classes on near ones: class i takes
    points[order[i]].

    Maximises Σ_ij similarity_ij · points_i·points_j by the best swap of two, again and again, from
    several seeded starts.
    """
    products = points.astype(np.float64) @ points.T.astype(np.float64)
    np.fill_diagonal(products, 0)
    random, best, most = np.random.default_rng(seed), np.arange(len(points)), -np.inf
    for _ in range(_STARTS):
        order, value = _climb(random.permutation(len(points)), products, similarity)
        if value > most:
            best, most = order, value
    return best


def _climb(
    order: NDArray[np.int64], products: Array, similarity: Array
) -> tuple[NDArray[np.int64], float]:
    while True:
        own = products[np.ix_(order, order)]
        crossed = similarity @ own
        here = np.diag(crossed)
        # What each swap of two adds to the sum.
        gain = 2 * (crossed + crossed.T - here[:, None] - here + 2 * similarity * own)
        i, j = np.unravel_index(gain.argmax(), gain.shape)
        if gain[i, j] <= 1e-9 * np.abs(own).max():
            return order, float((similarity * own).sum())
        order[[i, j]] = order[[j, i]]
