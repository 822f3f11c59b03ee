"""A map over its picture, with the grid of its cells and the bar of its colours."""

from __future__ import annotations

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from numpy.typing import NDArray
from PIL import Image

from interpret.explain.evidence import colour_scale, overlay, overlay_on, strongest
from interpret.figures.layout import Layout
from interpret.figures.palette import INK, RULE
from interpret.model.fitting import Rectangle

_SHARP = 560  # pixels of the longer side: sharp at the panel's size
_GRID_LINES = 16  # locations a side, up to which the grid is drawn


def evidence_panel(
    layout: Layout,
    corner: tuple[float, float],
    side: float,
    picture: NDArray[np.uint8] | Image.Image,
    shown: Rectangle,
    values: NDArray[np.floating],
) -> None:
    """Draw a map (h, w) in a square of `side` inches from `corner` (left, top).

    `picture` is the one that the model saw (S, S, 3), or the original, on which the map covers
    `shown`.
    """
    if isinstance(picture, Image.Image):
        drawn, longest = overlay_on(picture, shown, values, _SHARP), max(picture.size)
    else:
        drawn, longest = overlay(picture, values, _SHARP), len(picture)
    axes = layout.picture(*corner, side, drawn).axes
    assert axes is not None
    if max(values.shape) <= _GRID_LINES:
        axes.autoscale(False)
        left, top, right, bottom = (edge * _SHARP / longest - 0.5 for edge in shown)
        rows, cols = (count + 1 for count in values.shape)
        for y in np.linspace(top, bottom, rows)[1:-1]:
            axes.plot([left, right], [y, y], color="white", linewidth=0.5, alpha=0.55)
        for x in np.linspace(left, right, cols)[1:-1]:
            axes.plot([x, x], [top, bottom], color="white", linewidth=0.5, alpha=0.55)
    _colour_bar(layout, (corner[0] + side + 0.1, corner[1]), side, strongest(values))


def _colour_bar(layout: Layout, corner: tuple[float, float], height: float, limit: float) -> None:
    scale = ScalarMappable(Normalize(-limit, limit), ListedColormap(colour_scale() / 255))
    axes = layout.axes(*corner, 0.13, height)
    bar = layout.figure.colorbar(scale, cax=axes, ticks=[-limit, 0, limit])
    bar.outline.set(edgecolor=RULE, linewidth=0.6)
    bar.ax.set_yticklabels([f"−{limit:.3g}", "0", f"+{limit:.3g}"])
    bar.ax.tick_params(labelsize=8, length=0, pad=3, labelcolor=INK)
