"""Drift: whether today's pictures lie as far from their prototypes as the training images do."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.geometry.geometry import distances

WINDOW = 200  # latest answers of a class, from which its score is computed
ENOUGH = 30  # fewer answers, or fewer training images of the class, give no score


class Reference:
    """Distances and margins of the gallery's training images, class by class.

    The rank of a new picture is the share of its class's training images with a smaller value.
    Ranks spread evenly over [0, 1] as long as new pictures are like the training images.
    """

    def __init__(self, bundle: Bundle) -> None:
        away = distances(bundle.embeddings, bundle.prototypes)
        nearest = away.argmin(1) if len(away) else np.empty(0, int)
        two = np.partition(away, 1, axis=1)[:, :2]
        values = np.stack([two[:, 0], two[:, 1] - two[:, 0]])
        self._sorted: list[NDArray[np.float64]] = [
            np.sort(values[:, nearest == label]) for label in range(len(bundle.prototypes))
        ]

    def ranks(self, index: int, distance: float, margin: float) -> tuple[float, float] | None:
        """The ranks of an answer's distance and margin; None if its class has too few images."""
        own = self._sorted[index]
        count = own.shape[1]
        if count < ENOUGH:
            return None
        return (
            float(np.searchsorted(own[0], distance, "right")) / count,
            float(np.searchsorted(own[1], margin, "right")) / count,
        )


class Drift:
    """How far the latest answers of each class are from the training reference.

    The score is the Kolmogorov-Smirnov distance of their distance ranks from an even spread: 0
    when the pictures lie as the training images do, near 1 when all lie farther out, or all
    nearer.
    """

    def __init__(self, classes: int) -> None:
        self._latest = [deque[float](maxlen=WINDOW) for _ in range(classes)]

    def add(self, index: int, rank: float) -> float | None:
        """The score of a class after one more answer; None while there are too few answers."""
        latest = self._latest[index]
        latest.append(rank)
        if len(latest) < ENOUGH:
            return None
        ranks = np.sort(np.fromiter(latest, float))
        above = np.arange(1, len(ranks) + 1) / len(ranks) - ranks
        return float(max(above.max(), (1 / len(ranks) - above).max()))
