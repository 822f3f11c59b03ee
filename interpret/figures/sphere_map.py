"""The paper's Fig. 5 (a–g): three-dimensional embeddings as maps of the unit sphere.

A direction is given by two angles in degrees: φ from the z axis (0 to 180) and θ around it (−180
to 180). As in the paper φ runs to the right and θ upwards: the left and the right edge of a map
are the two poles, and its upper and lower edges are one meridian.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interpret.figures.label_placement import place_names
from interpret.figures.layout import Layout
from interpret.figures.palette import CENTRE, DENSITY, GREY, INK, RULE, WEIGHT
from interpret.geometry.geometry import Array

# Inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.72, 0.2, 0.5, 0.6
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 2.45, 3.5, 0.48, 0.8  # a map, and the space between two
_COLUMNS = 4

_CELL = 2  # degrees: side of a cell of the map
_RING, _OUTER = 8.0, 11.5  # points: a weight's circle surrounds a centre's where they coincide
_DENSITY = LinearSegmentedColormap.from_list("density", DENSITY)


@dataclass(frozen=True, eq=False)
class SphereData:
    """One model's three-dimensional embeddings with what it classifies them by.

    `weights` are the classifier's, None where the method has none or they are the centres.
    Raises ValueError for arrays whose shapes do not fit each other.
    """

    embeddings: NDArray[np.floating]  # (N, 3)
    labels: NDArray[np.integer]  # (N,): indices into class_names
    class_names: Sequence[str]  # M
    centres: NDArray[np.floating]  # (M, 3)
    weights: NDArray[np.floating] | None = None  # (M, 3)

    def __post_init__(self) -> None:
        samples, classes = len(self.labels), len(self.class_names)
        expected = {"embeddings": (samples, 3), "centres": (classes, 3), "weights": (classes, 3)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} have shape {array.shape}, expected {shape}")


def spherical(vectors: NDArray[np.floating]) -> Array:
    """φ and θ in degrees (K, 2) of those of the vectors (N, 3) that are not zero."""
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    x, y, z = wide[norms > 0].T
    # Of the three, atan2 keeps its precision at the poles.
    angles: Array = np.stack([np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)], axis=1)
    return np.degrees(angles)


def density(embeddings: NDArray[np.floating]) -> Array:
    """How many embeddings (N, 3) have their direction in each cell (90, 180) of the map."""
    phi, theta = spherical(embeddings).T
    cells, extent = (180 // _CELL, 360 // _CELL), ((0, 180), (-180, 180))
    counts: Array = np.histogram2d(phi, theta, bins=cells, range=extent)[0]
    return counts


def sphere_maps(panels: Mapping[str, SphereData]) -> Figure:
    """A map for each model, in the mapping's order and lettered (a), (b) …

    Greys show how many embeddings lie in each direction, on one logarithmic scale for all maps.
    Red circles are class centres, blue ones classifier weights. A blue line is the shortest way on
    the sphere from a class's centre to its weights. Zero vectors have no direction and are left
    out.
    """
    rows = math.ceil((len(panels) + 1) / _COLUMNS)  # one place more, for the key
    columns = math.ceil((len(panels) + 1) / rows)
    layout = Layout(
        _LEFT + columns * (_WIDTH + _ACROSS) - _ACROSS + _RIGHT,
        _TOP + rows * (_HEIGHT + _DOWN) - _DOWN + _BOTTOM,
    )
    corners = [
        (_LEFT + column * (_WIDTH + _ACROSS), _TOP + row * (_HEIGHT + _DOWN))
        for row in range(rows)
        for column in range(columns)
    ]
    counts = [density(data.embeddings) for data in panels.values()]
    shades = LogNorm(1, max([2.0, *(float(c.max()) for c in counts)]))
    for number, ((name, data), cells) in enumerate(zip(panels.items(), counts, strict=True)):
        left, top = corners[number]
        title = f"({chr(ord('a') + number)}) {name}"
        layout.text(left, top - 0.12, title, width=_WIDTH, size=10, bold=True)
        axes = _map_axes(layout, left, top)
        axes.imshow(
            np.where(cells > 0, cells, np.nan).T,
            norm=shades,
            cmap=_DENSITY,
            origin="lower",
            extent=(0, 180, -180, 180),
            aspect="auto",
            interpolation="nearest",
        )
        if number % columns == 0:
            axes.set_ylabel("θ (degrees)", size=8, color=INK, labelpad=1)
        if number + columns >= len(panels):
            axes.set_xlabel("φ (degrees)", size=8, color=INK, labelpad=2)
        _circles(layout, axes, data)
    weights = any(data.weights is not None for data in panels.values())
    _key(layout, corners[len(panels)], shades, weights=weights)
    return layout.figure


def _map_axes(layout: Layout, left: float, top: float) -> Axes:
    axes = layout.axes(left, top, _WIDTH, _HEIGHT)
    axes.spines[:].set(visible=True, color=GREY, linewidth=0.6)
    axes.set(xlim=(0, 180), ylim=(-180, 180), xticks=range(0, 181, 45))
    axes.set_yticks(range(-180, 181, 90), ["−180", "−90", "0", "90", "180"])
    axes.tick_params(labelsize=7, length=2.5, width=0.6, color=GREY, labelcolor=INK, pad=2)
    axes.grid(color=RULE, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    return axes


def _circles(layout: Layout, axes: Axes, data: SphereData) -> None:
    weights = spherical(data.weights if data.weights is not None else np.empty((0, 3)))
    for points, size, colour in (
        (weights, _OUTER, WEIGHT),
        (spherical(data.centres), _RING, CENTRE),
    ):
        # A white edge under each circle keeps it apart from the dense, dark cells.
        for width, edge in ((2.6, "white"), (1.5, colour)):
            axes.plot(*points.T, "o", markersize=size, markerfacecolor="none", color=edge,
                      markeredgewidth=width, clip_on=False)  # fmt: skip
    if data.weights is not None:
        for centre, weight in zip(data.centres, data.weights, strict=True):
            axes.plot(*_way(centre, weight).T, color=WEIGHT, linewidth=0.9)
    named = np.linalg.norm(data.centres, axis=1) > 0
    centres = spherical(data.centres)
    place_names(
        layout,
        axes,
        centres,
        [name for name, has in zip(data.class_names, named, strict=True) if has],
        radii=np.full(len(centres), (_OUTER if len(weights) else _RING) / 2 / 72 + 0.02),
        others=weights,
        size=7.5 if len(centres) <= 20 else 5,
    )


def _way(start: NDArray[np.floating], end: NDArray[np.floating]) -> Array:
    """The great circle's arc between two directions as points (K, 2) of the map.

    A row of NaN is a gap: there the arc leaves the map at one edge and comes back at the other.
    """
    ends = np.stack([start, end]).astype(np.float64)
    norms = np.linalg.norm(ends, axis=1, keepdims=True)
    if not norms.all():
        return np.empty((0, 2))
    share = np.linspace(0, 1, 60)[:, None]
    first, last = ends / norms
    points = spherical(first * (1 - share) + last * share)
    jumps = np.flatnonzero(np.abs(np.diff(points[:, 1])) > 180) + 1
    return np.insert(points, jumps, np.nan, axis=0)


def _key(layout: Layout, corner: tuple[float, float], shades: LogNorm, *, weights: bool) -> None:
    """The meaning of circles and greys, in the place after the last map."""
    left, top = corner[0], corner[1] + 0.15
    marks = [(CENTRE, _RING, "centre of a class")]
    if weights:
        marks.append((WEIGHT, _OUTER, "its weight vector, joined by a line"))
    for colour, size, text in marks:
        axes = layout.axes(left, top, 0.24, 0.24)
        axes.set(xlim=(-1, 1), ylim=(-1, 1))
        axes.plot(0, 0, "o", color=colour, markersize=size, markerfacecolor="none",
                  markeredgewidth=1.5)  # fmt: skip
        layout.text(left + 0.36, top + 0.16, text, width=_WIDTH - 0.36, size=8)
        top += 0.32
    layout.text(left, top + 0.3, f"samples in {_CELL}° × {_CELL}°", width=_WIDTH, size=8)
    axes = layout.axes(left, top + 0.42, _WIDTH * 0.8, 0.13)
    bar = layout.figure.colorbar(
        ScalarMappable(shades, _DENSITY), cax=axes, orientation="horizontal"
    )
    bar.outline.set(edgecolor=RULE, linewidth=0.6)
    ticks = [10**power for power in range(math.floor(math.log10(float(shades.vmax or 1))) + 1)]
    bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=7, length=0, pad=3, labelcolor=INK)
    for line, text in enumerate(
        ("Left and right edge: the two poles.", "Upper and lower edge: one meridian.")
    ):
        layout.text(left, top + 1.1 + 0.18 * line, text, width=_WIDTH, size=8, colour=GREY)
