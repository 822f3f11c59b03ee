"""What the measures of faithfulness share: the order of a map's pixels, and a pair's margins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interpret.explain.attribution import Attributor
from interpret.geometry.geometry import Array
from interpret.model.predictor import Pixels


def pair_margins(attributor: Attributor, pixels: Pixels, pair: Sequence[int]) -> Array:
    """‖h − c_negative‖² − ‖h − c_positive‖² of pictures (N, S, S, 3), by ONNX Runtime."""
    h = attributor.predictor(pixels).embedding.astype(np.float64)
    near, far = attributor.bundle.prototypes[list(pair)].astype(np.float64)
    margin: Array = 2 * h @ (near - far) + far @ far - near @ near
    return margin


def enlarged(values: Array, size: int) -> Array:
    """A map (h, w) at (size, size), each location's value over its pixels."""
    rows, cols = (np.arange(size) * side // size for side in values.shape)
    return values[np.ix_(rows, cols)]


def ranks(values: Array, size: int) -> NDArray[np.int64]:
    """The place (size, size) of each pixel in the order of a map (h, w), the most positive first.

    All pixels of a location have the same value: a hair of noise puts them in a random order.
    """
    hair = np.random.default_rng(0).random((size, size)) * 1e-9 * (np.abs(values).max() or 1)
    rank = np.empty(size * size, np.int64)
    rank[np.argsort(-(enlarged(values, size) + hair), axis=None)] = np.arange(size * size)
    return rank.reshape(size, size)
