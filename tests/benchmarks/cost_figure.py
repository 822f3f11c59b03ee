"""The figure of an axis of `cost_growth`: cost against size, and the exponents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from interpret.figures.palette import GREY, INK, LINES, RULE
from tests.benchmarks.cost_axes import Axis, Panel, Row

mpl.rcParams["svg.hashsalt"] = "cost"  # the same figure is the same file


def exponents(axis: Axis, rows: Sequence[Row]) -> dict[str, float]:
    """The power of the size that each cost goes with, over the upper half of the sizes.

    The half is that of the scale of powers of ten; all sizes where it has one alone. NaN for a
    cost that was not measured at two sizes, or is 0.
    """
    sizes = np.array([float(row["size"]) ** axis.power for row in rows])
    upper = sizes >= math.sqrt(sizes.min() * sizes.max()) * (1 - 1e-9)
    if upper.sum() < 2:
        upper[:] = True
    found = {}
    for name in (name for panel in axis.panels if panel.cost for name in panel.columns):
        costs = np.array([float(row[name]) for row in rows])
        used = upper & (costs > 0)
        found[name] = math.nan
        if used.sum() > 1:
            found[name] = float(np.polyfit(np.log(sizes[used]), np.log(costs[used]), 1)[0])
    return found


def cost_figure(axis: Axis, rows: Sequence[Row]) -> Figure:
    """A panel for each kind of cost; a dotted line shows growth with the size itself."""
    count = len(axis.panels)
    figure = Figure(figsize=(3.6 * count, 4.4), layout="constrained", facecolor="white")
    for axes, panel in zip(figure.subplots(1, count, squeeze=False)[0], axis.panels, strict=True):
        _panel(axes, axis, panel, rows)
    return figure


def _panel(axes: Axes, axis: Axis, panel: Panel, rows: Sequence[Row]) -> None:
    powers = exponents(axis, rows)
    sizes = np.array([float(row["size"]) for row in rows])
    largest = 0.0
    for number, name in enumerate(panel.columns):
        costs = np.array([float(row[name]) for row in rows])
        largest = max(largest, costs[-1])
        label = name
        if not math.isnan(powers.get(name, math.nan)):
            label = f"{name}: {powers[name]:.2f}"
        if panel.cost:
            costs = np.where(costs > 0, costs, np.nan)
        axes.plot(sizes, costs, "o-", color=LINES[number], markersize=4, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if max(sizes) < 1000:
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    if panel.cost and largest > 0:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        wider = max(0.0, 0.5 - math.log10(high / low) / 2)  # a power of ten is shown at least
        limits = low / 10**wider, high * 10**wider
        linear = largest * (sizes / sizes[-1]) ** axis.power
        power = "pixels" if axis.power == 2 else "size"
        axes.plot(sizes, linear, ":", color=GREY, linewidth=1.2, label=f"as the {power}")
        axes.set_ylim(limits)
    elif not panel.cost:
        axes.set_ylim(0, None)
    axes.set_title(panel.title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(axis.label, color=INK)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    # Below the panel, where no line can cross it.
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
