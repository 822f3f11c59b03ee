"""A confusion matrix as a picture: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interpret.figures.layout import fonts, legible
from interpret.figures.palette import AGAINST, FOR, GREY, INK, PAPER, RULE, as_rgb

_LONGEST = 24  # characters of a name
_NUMBERED = 30  # classes, up to which the cells hold their numbers
_NAMED = 150  # classes, up to which every one of them has its name
_DPI = 160
_LARGEST = 15.0  # inches of the matrix's side
_DARK = 0.55  # strength of a cell's colour, from which its number is white


class _Scale(NamedTuple):
    """Sizes for a number of classes: inches of a cell, points of names and of numbers."""

    cell: float
    names: float
    numbers: float


# By the largest number of classes that each suits.
_SCALES = {8: _Scale(0.62, 10, 10), 15: _Scale(0.5, 9, 8.5), _NUMBERED: _Scale(0.36, 8, 6.5)}
_MANY = _Scale(0.15, 6.5, 0)


def confusion_figure(matrix: NDArray[np.int64], class_names: Sequence[str]) -> Figure:
    """The matrix (M, M) of pictures by class (row) and answer (column).

    Right answers are blue and wrong ones red, the darker the larger their share of the row is; by
    the root of the share, so that a rare mistake is seen. Classes without pictures and answers are
    left out. Up to thirty classes the cells hold the numbers of pictures.
    """
    present = np.flatnonzero(matrix.sum(0) + matrix.sum(1))
    counts = matrix[np.ix_(present, present)]
    count = len(present)
    scale = next((s for most, s in _SCALES.items() if count <= most), _MANY)
    side = min(max(count, 2) * scale.cell, _LARGEST)
    # Names, axis titles and heading take what they need; this is room enough for the longest.
    figure = Figure(
        figsize=(side + 2.4, side + 2.6), layout="constrained", facecolor=PAPER, dpi=_DPI
    )
    axes = figure.subplots()
    strength = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    axes.imshow(_colours(strength), interpolation="nearest")
    _name_axes(axes, [class_names[i] for i in present.tolist()], scale)
    if count <= _NUMBERED:
        _number_cells(axes, counts, strength, scale.numbers)
    axes.set_xlabel("answer", color=GREY)
    axes.set_ylabel("class", color=GREY)
    total, right = int(counts.sum()), int(np.trace(counts))
    axes.set_title(f"{right:,} of {total:,} right", color=INK, fontsize=11, loc="left")
    return figure


def _colours(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """RGB in [0, 1] of every cell (M, M, 3): from the paper's white to full strength."""
    own = np.eye(len(strength), dtype=bool)[..., None]
    full = np.where(own, as_rgb(AGAINST), as_rgb(FOR))
    mixed: NDArray[np.float64] = np.array(as_rgb(PAPER)) * (1 - strength[..., None])
    return mixed + full * strength[..., None]


def _name_axes(axes: Axes, names: Sequence[str], scale: _Scale) -> None:
    step = -(-len(names) // _NAMED)  # of more classes, every second, third, …
    ticks = np.arange(0, len(names), step)
    shown = [_cut(legible(names[i])) for i in ticks.tolist()]
    axes.set_xticks(ticks, shown, rotation=90, fontsize=scale.names)
    axes.set_yticks(ticks, shown, fontsize=scale.names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(family=list(fonts()), color=INK, parse_math=False)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=RULE, linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set(color=RULE, linewidth=0.6)


def _number_cells(
    axes: Axes, counts: NDArray[np.int64], strength: NDArray[np.float64], size: float
) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        number = int(counts[row, column])
        text = f"{number:,}" if number < 10_000 else f"{number / 1000:.0f}k"
        colour = PAPER if strength[row, column] >= _DARK else INK
        # Four digits and a comma take more room than one digit.
        fitting = size * min(1, 3.4 / len(text))
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=fitting)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1].rstrip() + "…"
