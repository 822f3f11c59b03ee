"""A view of the embedding space in three dimensions, with the prototypes' sphere in its centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AXES = 3


class Projection:
    """A view of d-dimensional points. Up to 3 dimensions it shows them as they are.

    More dimensions are projected onto the three principal directions about the origin, not about
    the mean, so that the centre of the sphere stays in the centre. `kept` is the share of the
    squared lengths that is left.
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        """The view is chosen for `points` (N, d)."""
        size = points.shape[1]
        if size <= AXES:
            self._directions = np.eye(size, AXES, dtype=np.float32)
            self.kept = 1.0
            return
        strengths, vectors = np.linalg.eigh(points.T @ points)
        directions = vectors[:, : -AXES - 1 : -1]
        # An eigenvector has no sign: its largest entry is made positive.
        rows = np.abs(directions).argmax(0)
        self._directions = directions * np.sign(directions[rows, range(AXES)])
        self.kept = float(strengths[-AXES:].sum() / strengths.sum())

    def __call__(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (N, d) as they appear in the view, (N, 3)."""
        seen: NDArray[np.float32] = points @ self._directions
        return seen
