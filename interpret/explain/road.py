"""Remove and debias: what a picture is worth without some of its pixels.

A pixel that is blurred or made grey leaves a shape that a network can see. Here the pixels that
are removed are filled from those around them, with a little noise: noisy linear imputation of
Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods" (2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interpret.explain.attribution import Attributor
from interpret.explain.map_margins import pair_margins, ranks
from interpret.geometry.geometry import Array
from interpret.model.predictor import Pixels

SHARES = (0.2, 0.4, 0.6, 0.8)  # of the pixels that are removed
_BESIDE, _DIAGONAL = 1 / 6, 1 / 12  # weights of a pixel's neighbours
_NOISE = 2.55  # standard deviation, of 0–255: a hundredth


def road_margins(
    attributor: Attributor, picture: Pixels, values: Array, pair: Sequence[int], seed: int
) -> Array:
    """Margins (2, SHARES) of a picture (S, S, 3) without the pixels that speak most for the class
    by the map `values`, and without those that speak least for it.
    """
    rank = ranks(values, len(picture))
    pixels = rank.size
    masks = [rank < share * pixels for share in SHARES]
    masks += [rank >= (1 - share) * pixels for share in SHARES]
    filled = np.stack([imputed(picture, mask, seed) for mask in masks])
    return pair_margins(attributor, filled, pair).reshape(2, len(SHARES))


def imputed(
    picture: Pixels, removed: NDArray[np.bool_], seed: int, noise: float = _NOISE
) -> Pixels:
    """A picture (H, W, 3) whose `removed` pixels (H, W) are weighted means of their neighbours,
    removed ones among them, and normal noise of standard deviation `noise`. Where nothing is left,
    all of it is grey.
    """
    from scipy.sparse import coo_array, identity  # here: the service does not need it
    from scipy.sparse.linalg import splu

    if removed.all():
        known = np.full((int(removed.sum()), 3), 127.5)
    else:
        height, width = removed.shape
        number = np.full((height + 2, width + 2), -1)
        number[1:-1, 1:-1][removed] = np.arange(removed.sum())
        given = np.zeros((height + 2, width + 2, 3))
        given[1:-1, 1:-1][~removed] = picture[~removed]
        inside = np.zeros((height + 2, width + 2), bool)
        inside[1:-1, 1:-1] = True
        rows, columns = np.nonzero(number >= 0)
        own = np.arange(len(rows))
        total, right = np.zeros(len(rows)), np.zeros((len(rows), 3))
        parts: list[tuple[Array, NDArray[np.int64], NDArray[np.int64]]] = []
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                if not (down or across):
                    continue
                weight = _DIAGONAL if down and across else _BESIDE
                there = (rows + down, columns + across)
                total += weight * inside[there]
                right += weight * given[there]
                also = number[there] >= 0
                parts.append((np.full(also.sum(), weight), own[also], number[there][also]))
        weights, at, to = (np.concatenate(each) for each in zip(*parts, strict=True))
        between = coo_array((weights / total[at], (at, to)), shape=(len(own), len(own)))
        known = splu((identity(len(own)) - between).tocsc()).solve(right / total[:, None])
    levels = known + np.random.default_rng(seed).normal(0, noise, known.shape)
    filled = picture.copy()
    filled[removed] = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return filled
