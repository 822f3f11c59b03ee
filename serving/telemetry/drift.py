"""Drift: whether today's pictures lie as far from their prototypes as the training images do."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import sampled
from interpret.geometry.geometry import two_nearest

WINDOW = 200  # latest answers of a class, from which its score is computed
ENOUGH = 30  # fewer answers, or fewer training images of the class, give no score


class Reference:
    """Distances and margins of the gallery's training images, class by class; of a large gallery,
    those of a sample.

    The rank of a new picture is the share of its class's training images with a smaller value.
    Ranks spread evenly over [0, 1] as long as new pictures are like the training images.
    """

    def __init__(self, bundle: Bundle) -> None:
        nearest, two = two_nearest(sampled(bundle.embeddings), bundle.prototypes)
        order = np.argsort(nearest, kind="stable")
        values = np.stack([two[:, 0], two[:, 1] - two[:, 0]])[:, order]
        ends = np.searchsorted(nearest[order], np.arange(1, len(bundle.prototypes)))
        # Lists: one number is found in them sooner than in an array.
        self._sorted = [np.sort(own).tolist() for own in np.split(values, ends, axis=1)]

    def ranks(self, index: int, distance: float, margin: float) -> tuple[float, float] | None:
        """The ranks of an answer's distance and margin; None if its class has too few images."""
        distances, margins = self._sorted[index]
        count = len(distances)
        if count < ENOUGH:
            return None
        return bisect_right(distances, distance) / count, bisect_right(margins, margin) / count


class Drift:
    """How far the latest answers of each class are from the training reference.

    The score is the Kolmogorov-Smirnov distance of their distance ranks from an even spread: 0
    when the pictures lie as the training images do, near 1 when all lie farther out, or all
    nearer.
    """

    def __init__(self, classes: int) -> None:
        self._latest = [deque[float](maxlen=WINDOW) for _ in range(classes)]

    def add(self, index: int, rank: float) -> None:
        """Note one more answer of a class."""
        self._latest[index].append(rank)

    def score(self, index: int) -> float | None:
        """The score of a class; None while there are too few answers."""
        latest = self._latest[index]
        if len(latest) < ENOUGH:
            return None
        ranks = np.sort(np.fromiter(latest, float))
        above = np.arange(1, len(ranks) + 1) / len(ranks) - ranks
        return float(max(above.max(), (1 / len(ranks) - above).max()))
