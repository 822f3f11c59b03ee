"""Names beside the points of a panel, where they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from interpret.figures.layout import Layout
from interpret.figures.palette import GREY, INK
from interpret.geometry.geometry import Array

_DIRECTIONS = np.radians(np.arange(0, 360, 15))
_AWAY = (0.02, 0.08, 0.16, 0.28, 0.42, 0.6, 0.8)  # inches between a point's circle and its name
_LED = 0.1  # inches from which a line leads to the name
_SWEEPS = 6  # each moves every name once, given where the others stand


def place_names(
    layout: Layout,
    axes: Axes,
    points: NDArray[np.floating],
    names: Sequence[str],
    *,
    radii: NDArray[np.floating],
    others: NDArray[np.floating] | None = None,
    size: float = 7,
    colours: Sequence[str] | None = None,
) -> None:
    """Write `names` (M) beside `points` (M, 2), in the axes' data coordinates.

    Each point is a circle of `radii` (M,) inches. `others` (K, 2) are further circles that stay
    free, as large as the smallest. The axes' limits must be final. A thin line joins a name that
    stands away from its point to it.
    """
    dpi = layout.figure.dpi
    where: Array = (
        axes.transData.transform(points) / dpi
    )  # inches from the bottom left, from here on
    frame = np.asarray(axes.bbox.extents) / dpi
    texts = []
    for number, name in enumerate(names):
        colour = colours[number] if colours else INK
        layout.text(0, 0, name, width=float(frame[2] - frame[0]) / 2, size=size, colour=colour)
        texts.append(layout.figure.texts[-1])
    extents = np.array([text.get_window_extent().bounds[2:] for text in texts]).reshape(-1, 2)
    taken = _boxes(where, np.repeat(radii[:, None], 2, 1) * 2)
    if others is not None and len(others):
        small = np.full((len(others), 2), 2 * radii.min())
        taken = np.concatenate([taken, _boxes(axes.transData.transform(others) / dpi, small)])
    boxes = _arrange(where, extents / dpi, radii.astype(np.float64), taken, frame)
    for point, radius, box, text in zip(where, radii, boxes, texts, strict=True):
        text.set(ha="center", va="center", position=_fraction(layout, (box[:2] + box[2:]) / 2))
        text.set_path_effects([withStroke(linewidth=1.8, foreground="white", alpha=0.85)])
        nearest = np.clip(point, box[:2], box[2:])
        length = float(np.linalg.norm(nearest - point))
        if length - radius > _LED:
            start = point + (nearest - point) * (radius / length)
            ends = np.array([_fraction(layout, start), _fraction(layout, nearest)]).T
            layout.figure.add_artist(
                Line2D(*ends, color=GREY, linewidth=0.6, transform=layout.figure.transFigure)
            )


def _arrange(where: Array, extents: Array, radii: Array, taken: Array, frame: Array) -> Array:
    """The boxes (M, 4) of the names, each where it overlaps least, and near its point."""
    candidates = [
        _candidates(*each, frame=frame) for each in zip(where, extents, radii, strict=True)
    ]
    boxes = np.array([c[0] for c in candidates]).reshape(-1, 4)
    cost = np.repeat(np.arange(len(_AWAY)), len(_DIRECTIONS))  # near its point is cheaper
    for _ in range(_SWEEPS):
        for own, choices in enumerate(candidates):
            obstacles = np.concatenate([taken, np.delete(boxes, own, axis=0)])
            area = float(np.prod(extents[own]))
            overlap = _overlaps(choices, obstacles) / area
            boxes[own] = choices[np.argmin(overlap + 0.004 * cost)]
    return boxes


def _candidates(point: Array, extent: Array, radius: float, *, frame: Array) -> Array:
    """Boxes (K, 4) around a point's circle, pushed inside the frame; the first is to the right."""
    rays = np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)], axis=1)
    reach = np.add.outer(np.asarray(_AWAY) + radius, np.zeros(len(rays)))[..., None] * rays
    centres = point + (reach + rays * extent / 2).reshape(-1, 2)
    low, high = frame[:2] + extent / 2 + 0.02, frame[2:] - extent / 2 - 0.02
    return _boxes(np.clip(centres, low, high), np.broadcast_to(extent, centres.shape))


def _boxes(centres: Array, extents: Array) -> Array:
    return np.concatenate([centres - extents / 2, centres + extents / 2], axis=1)


def _overlaps(boxes: Array, others: Array) -> Array:
    """The area (K,) of each box that the others cover, summed over them."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    areas: Array = np.prod(np.maximum(high - low, 0), axis=2).sum(1)
    return areas


def _fraction(layout: Layout, inches: Array) -> tuple[float, float]:
    width, height = layout.figure.get_size_inches()
    return float(inches[0] / width), float(inches[1] / height)
