"""The deletion and insertion curves of all methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from interpret.explain.attribution_methods import EXACT, TITLES
from interpret.explain.faithfulness import RANDOM, STEPS, Faithfulness
from interpret.figures.palette import GREY, INK, LINES, RULE

_NAMES = dict[str, str](TITLES.items()) | {RANDOM: "Random map"}


def faithfulness_figure(found: Sequence[Faithfulness], pictures: int) -> Figure:
    """Two panels with a line for each method. Exact maps have thick lines, the random one grey."""
    figure = Figure(figsize=(11, 4.4), layout="constrained", facecolor="white")
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("Deletion: lower is better", "Insertion: higher is better")
    share = np.linspace(0, 100, STEPS + 1)
    for part, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for number, each in enumerate(found):
            random = each.method == RANDOM
            axes.plot(
                share,
                each.curves[part],
                color=GREY if random else LINES[number % len(LINES)],
                linestyle=":" if random else "-",
                linewidth=2.4 if each.method in EXACT else 1.3,
                label=_NAMES[each.method],
            )
        axes.set_title(title, fontsize=11, color=INK, loc="left")
        axes.set_xlabel("pixels changed, %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(RULE)
    panels[0].set_ylabel(f"margin, mean of {pictures:,} pictures")
    panels[1].legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
