"""A finer exact map, from the evidence of shifted pictures.

A cell of the evidence map covers some pixels. After the picture is moved by a fraction of a cell,
the cells cover other pixels. The maps of all shifts, each moved back, are averaged: the average
varies inside a cell. Its sum over a cell is not exact, so the same amount is added everywhere in
the cell until it is. The cost is factor² forward passes.

Exact: the sum of each cell, and so of the whole map. Not exact: how a cell's sum is spread in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.explain.evidence import SEEN, evidence_map
from interpret.geometry.geometry import Array
from interpret.model.predictor import AnyPredictor, Predictor

FACTOR = 4


def fine_evidence(
    predictor: Predictor,
    pixels: NDArray[np.uint8],
    positive: NDArray[np.floating],
    negative: NDArray[np.floating],
    factor: int = FACTOR,
) -> Array | None:
    """The evidence of one picture (S, S, 3) on a grid `factor` times finer each way.

    Returns (h·factor, w·factor): the sum over each block of factor × factor is the plain map's
    value. None for a network without an evidence map.
    """
    plain = predictor(pixels[None], evidence=True).evidence
    if plain is None:
        return None
    coarse = evidence_map(plain[0], positive, negative)
    return finer(predictor, pixels, coarse, positive, negative, factor)


def useful_factor(side: int, grid: tuple[int, ...]) -> int:
    """How much finer the map of a picture of this side can usefully be, at most FACTOR.

    A fine cell has at least a pixel, and at most SEEN of them stand on a side. 1: nothing is finer.
    """
    return max(1, min(FACTOR, *(min(side, SEEN) // cells for cells in grid)))


def finer(
    predictor: AnyPredictor,
    pixels: NDArray[np.uint8],
    coarse: Array,
    positive: NDArray[np.floating],
    negative: NDArray[np.floating],
    factor: int,
) -> Array:
    """The plain map `coarse` (h, w) of a picture on a grid `factor` times finer each way.

    The shifted pictures go to the predictor a row of shifts at a time: where it is shared, others'
    pictures come in between.
    """
    shifts = [(y, x) for y in _shifts(factor) for x in _shifts(factor)]
    maps: list[Array] = []
    for start in range(0, len(shifts), factor):
        row = shifts[start : start + factor]
        moved = np.stack([_moved(pixels, coarse.shape, shift, factor) for shift in row])
        found = predictor(moved, evidence=True).evidence
        assert found is not None
        maps += [evidence_map(local, positive, negative) for local in found]
    return refine(coarse, np.stack(maps), shifts, factor)


def refine(coarse: Array, maps: Array, shifts: list[tuple[int, int]], factor: int) -> Array:
    """The average of the maps (K, h, w) of shifted pictures, each moved back, on the fine grid.

    `shifts` are in fine cells. The sum of each block is that of the coarse map (h, w).
    """
    rows, cols = coarse.shape
    total, count = (np.zeros((rows * factor, cols * factor)) for _ in range(2))
    for values, (down, right) in zip(maps, shifts, strict=True):
        spread = np.kron(values, np.full((factor, factor), 1 / factor**2))
        # Cell (0, 0) of this map covers the picture from (down, right) on.
        total[_overlap(down), _overlap(right)] += spread[_overlap(-down), _overlap(-right)]
        count[_overlap(down), _overlap(right)] += 1
    fine = total / count
    blocks = fine.reshape(rows, factor, cols, factor)
    missing = (coarse - blocks.sum((1, 3))) / factor**2
    exact: Array = fine + np.kron(missing, np.ones((factor, factor)))
    return exact


def _overlap(shift: int) -> slice:
    """The part of an axis that something moved by `shift` still covers."""
    return slice(shift, None) if shift >= 0 else slice(None, shift)


def _shifts(factor: int) -> range:
    return range(-(factor // 2), factor - factor // 2)


def _moved(
    pixels: NDArray[np.uint8], grid: tuple[int, ...], shift: tuple[int, int], factor: int
) -> NDArray[np.uint8]:
    """The picture from `shift` fine cells on, its border mirrored."""
    side = len(pixels)
    offsets = [round(s * side / (cells * factor)) for s, cells in zip(shift, grid, strict=True)]
    most = max(map(abs, offsets))
    padded = np.pad(pixels, ((most, most), (most, most), (0, 0)), mode="symmetric")
    top, left = (most + offset for offset in offsets)
    return padded[top : top + side, left : left + side]
