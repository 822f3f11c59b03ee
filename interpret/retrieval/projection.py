"""The embedding space seen in three dimensions: the sphere of the prototypes as one can draw it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AXES = 3


class Projection:
    """A view of d-dimensional points; up to 3 dimensions nothing is lost.

    Beyond that it is onto the three principal directions about the origin, not about the mean:
    the centre of the sphere stays in the centre.
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        """`points` (N, d) are those that the view is chosen for."""
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
        """Points (N, d) as (N, 3); `kept` is the share of their squared lengths that is left."""
        seen: NDArray[np.float32] = points @ self._directions
        return seen
