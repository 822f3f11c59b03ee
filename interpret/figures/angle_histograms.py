"""The paper's Fig. 3 and 4: how the angles between and within classes spread, for each method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interpret.figures import palette
from interpret.figures.layout import Layout
from interpret.figures.palette import GREY, INK, RULE
from interpret.geometry.geometry import Array, angles

# Inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.75, 0.2, 0.35, 0.42
_PANEL, _GAP, _HEIGHT = 1.33, 0.22, 1.05
_HEADING, _TITLES, _BELOW = 0.08, 0.42, 0.8  # around a row: its name, its methods; the degrees
_ROW = _HEADING + _TITLES + _HEIGHT + _BELOW

_SHOWN = 0.995  # of each method's samples; the rare outliers would squeeze the rest
_BINS, _BIN_WIDTHS = 20, (0.1, 0.2, 0.5, 1, 2, 3, 5)  # fewest bins; widths to choose from, degrees
_DEGREE_STEPS = (0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90)


class _Scale(NamedTuple):
    """What the panels of a row share."""

    edges: Array  # of the bins, in degrees
    tallest: float  # share of the tallest bar, in percent
    limit: float | None  # widest possible smallest angle, in degrees


def interclass_angles(centres: NDArray[np.floating]) -> Array:
    """Angles (M (M − 1) / 2,) of all pairs of class centres (M, d), in degrees, eq. 11."""
    between: Array = angles(centres, centres)[np.triu_indices(len(centres), 1)]
    return between


def angle_histograms(
    rows: Mapping[str, Mapping[str, NDArray[np.floating]]],
    *,
    methods: Sequence[str],
    xlabel: str,
    limits: Mapping[str, float] | None = None,
    bins_deg: float | None = None,
) -> Figure:
    """A row of histograms for each of `rows` ("CIFAR-10, 512-D"), a panel for each method.

    `rows` maps a row's name to angles (K,) in degrees by method; a method without angles leaves
    an empty panel. A bar is a share of its method's angles. Bars are `bins_deg` wide, by default a
    round width that suits the row. The panels of a row share both axes.

    `limits` is for angles between classes: the widest possible smallest angle by row, in degrees.
    Each becomes a dotted line, and the smallest angle is marked beside the mean. Without `limits`
    the angles are those of samples: past 99.5 % of a method's they are counted, not drawn.

    Raises ValueError for angles of a method that is not one of `methods`.
    """
    if unknown := sorted({method for row in rows.values() for method in row} - set(methods)):
        raise ValueError(f"unknown methods {unknown}: expected some of {list(methods)}")
    width = _LEFT + len(methods) * (_PANEL + _GAP) - _GAP + _RIGHT
    layout = Layout(width, _TOP + len(rows) * _ROW + _BOTTOM - 0.25)
    top, pairs = _TOP, limits is not None
    for name, row in rows.items():
        present = {m: np.asarray(v, np.float64) for m, v in row.items() if len(v)}
        scale = _scale(present, (limits or {}).get(name), bins_deg, whole=pairs)
        layout.text(_LEFT, top, name, width=width - _LEFT - _RIGHT, size=10, bold=True)
        for column, method in enumerate(methods):
            left = _LEFT + column * (_PANEL + _GAP)
            _panel(layout, (left, top + _HEADING), method, present.get(method), scale, pairs=pairs)
        first = layout.figure.axes[-len(methods)]
        ticks = first.get_yticks()
        first.set_yticks(ticks, [f"{tick:g}%" for tick in ticks])
        first.set_ylabel("share of pairs" if pairs else "share of samples", size=8, color=INK)
        middle, top = (_LEFT + width - _RIGHT) / 2, top + _ROW
        layout.text(middle, top - 0.44, xlabel, width=width, size=8, align="center")
    _key(layout, top - 0.03, pairs=pairs, limited=bool(limits))
    return layout.figure


def _scale(
    present: Mapping[str, Array], limit: float | None, bins_deg: float | None, *, whole: bool
) -> _Scale:
    ends = [] if limit is None else [limit]
    for values in present.values():
        last = values.max() if whole else np.quantile(values, _SHOWN, method="higher")
        ends += [float(values.min()), float(last)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 180.0)
    if bins_deg is None:
        fine = [width for width in _BIN_WIDTHS if width * _BINS <= high - low]
        bins_deg = max(fine, default=_BIN_WIDTHS[0])
    # One empty bin on each side, where the circle's half turn leaves room.
    first = max(0, math.floor(low / bins_deg) - 1)
    last_edge = min(math.ceil(180 / bins_deg), math.floor(high / bins_deg) + 2)
    edges: Array = np.arange(first, last_edge + 1, dtype=np.float64) * float(bins_deg)
    shares = [_shares(values, edges).max() for values in present.values()]
    return _Scale(edges, max(shares, default=100.0), limit)


def _shares(values: Array, edges: Array) -> Array:
    """Percent of all `values` in each bin; those outside the edges count in the whole."""
    shares: Array = np.histogram(values, edges)[0] * (100 / len(values))
    return shares


def _panel(
    layout: Layout,
    corner: tuple[float, float],
    method: str,
    values: Array | None,
    scale: _Scale,
    *,
    pairs: bool,
) -> None:
    """One method's histogram, its name and measures above it; `corner` is (left, top)."""
    left, top = corner
    colour = palette.METHOD_COLOURS.get(method, INK)
    layout.text(left, top + 0.17, method, width=_PANEL, size=9, bold=True, colour=colour)
    axes = layout.axes(left, top + _TITLES, _PANEL, _HEIGHT)
    axes.spines[["left", "bottom"]].set(visible=True, color=GREY, linewidth=0.6)
    axes.set(xlim=(scale.edges[0], scale.edges[-1]), ylim=(0, 1.08 * scale.tallest))
    axes.set_yticks(_round_ticks(scale.tallest), [])
    axes.tick_params(labelsize=7, length=2.5, width=0.6, color=GREY, labelcolor=INK, pad=2)
    for tick in axes.get_yticks()[1:]:
        axes.axhline(tick, color=RULE, linewidth=0.5, zorder=0)
    if values is None:
        axes.text(0.5, 0.5, "no run", transform=axes.transAxes, ha="center", va="center",
                  size=8, color=GREY)  # fmt: skip
        return
    _degree_ticks(axes)
    bars = palette.METHOD_COLOURS.get(method, palette.OTHER_METHOD)
    axes.stairs(_shares(values, scale.edges), scale.edges, fill=True, color=bars)
    _measures(layout, axes, corner, values, scale, pairs=pairs)


def _measures(
    layout: Layout,
    axes: Axes,
    corner: tuple[float, float],
    values: Array,
    scale: _Scale,
    *,
    pairs: bool,
) -> None:
    """The mean and, for pairs, the smallest angle: numbers above the panel and marks inside."""
    left, line = corner[0], corner[1] + 0.33
    right, half = left + _PANEL, _PANEL / 2
    mean, smallest = float(values.mean()), float(values.min())
    layout.text(left, line, f"mean {mean:.1f}°", width=half, size=7)
    axes.axvline(mean, color=INK, linewidth=0.9)
    beyond = float(np.mean(values > scale.edges[-1]))
    if pairs:
        layout.text(right, line, f"min {smallest:.1f}°", width=half, size=7, align="right")
        axes.plot(smallest, 0, "^", color=INK, markersize=4.5, clip_on=False, zorder=4)
    elif beyond >= 0.0005:
        note = f"{beyond:.1%} beyond"
        layout.text(right, line, note, width=half, size=7, colour=GREY, align="right")
    if scale.limit is not None:
        axes.axvline(scale.limit, color=INK, linewidth=1, linestyle=":")


def _key(layout: Layout, baseline: float, *, pairs: bool, limited: bool) -> None:
    """What the marks mean, in a line under the panels."""
    marks = [("mean", "-", "")]
    if pairs:
        marks.append(("smallest angle", "", "^"))
    if limited:
        marks.append(("widest that the smallest angle can be", ":", ""))
    left = _LEFT
    for text, line, marker in marks:
        axes = layout.axes(left, baseline - 0.13, 0.1, 0.16)
        axes.set(xlim=(-1, 1), ylim=(0, 1))
        axes.plot([0, 0], [0, 1], color=INK, linewidth=0.9, linestyle=line or "none")
        axes.plot(0, 0.45, marker=marker, color=INK, markersize=4.5)
        left += 0.16
        left += layout.text(left, baseline, text, width=4, size=8) + 0.35


def _degree_ticks(axes: Axes) -> None:
    low, high = axes.get_xlim()
    step = next(step for step in _DEGREE_STEPS if (high - low) / step <= 3.9)
    ticks = np.arange(math.ceil(low / step) * step, high + 1e-9, step)
    axes.set_xticks(ticks, [f"{tick:g}°" for tick in ticks])


def _round_ticks(length: float) -> Array:
    """From 0 to `length` in steps of 1, 2 or 5 times a power of ten, three steps at most."""
    power = 10.0 ** math.floor(math.log10(length / 3))
    step = next(power * factor for factor in (1, 2, 5, 10) if length / (power * factor) <= 3)
    ticks: Array = np.arange(0, length + 1e-9, step)
    return ticks
