"""Every colour of figures, reports and the explorer's page, as "#rrggbb".

Plain data: the service reads it without Matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from interpret.explain import evidence
from interpret.figures.distinct_colours import distinct_colours


def as_hex(red: int, green: int, blue: int) -> str:
    """A colour of 8-bit parts as "#rrggbb"."""
    return f"#{red:02x}{green:02x}{blue:02x}"


# Text, quiet text, lines, and the backgrounds of pages and boxes.
INK, GREY, RULE, PAPER, WASH = "#1f2328", "#5f6873", "#d5dae0", "#ffffff", "#f5f7f9"
# Evidence for and against; positive and negative prototypes have these colours too. The two are
# defined beside the overlay, which is part of an answer and cannot import from this room above it.
FOR, AGAINST = as_hex(*evidence.FOR), as_hex(*evidence.AGAINST)
PALE = "#aab2bc"  # prototypes besides these two

CENTRE, WEIGHT = "#d7191c", "#1f5fd0"  # of a class, on a map of the sphere
DENSITY = ("#d6dbe1", "#8d98a5", INK)  # from few samples in a cell of the map to many

# The paper's own methods. Colour-blind readers tell them apart, and so do readers of a grey print.
METHOD_COLOURS = {"DPP": "#3f90da", "DPNP": "#bd1f01"}
OTHER_METHOD = "#9aa5b1"

# Lines of one panel, one for each attribution method.
LINES = (FOR, "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#882255", "#999933")

# Okabe and Ito's colours without their yellow, and Tol's wine, indigo and olive. None is so pale
# that it could pass for the faded colour of a class on the far side.
_CLASSES = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", INK,
    "#56b4e9", "#d55e00", "#882255", "#999933", "#332288",
)  # fmt: skip
_MOST = 256  # different colours; more classes have them again

# The custom properties (--NAME) that the style sheets of pages use.
CSS = {
    "ink": INK,
    "grey": GREY,
    "rule": RULE,
    "paper": PAPER,
    "wash": WASH,
    "for": FOR,
    "against": AGAINST,
}
# The explorer stands on a light or a dark ground, as its reader's system has it. Text on paper and
# wash has a contrast of at least 4.5, lines and bars of at least 3.
EXPLORER_LIGHT = CSS | {
    "quiet": "#55606d",  # text beside the main one
    "accent": "#1f5fa8",
    "on-accent": PAPER,
    "good": "#14653a",
    "warn": "#8a4b00",
    "bad": "#a3211b",
}
EXPLORER_DARK = {
    "ink": "#e9edf2",
    "grey": "#97a2ae",
    "rule": "#39424e",
    "paper": "#1c222b",
    "wash": "#12161c",
    "for": "#f0655c",
    "against": "#6ea8e6",
    "quiet": "#a9b3bf",
    "accent": "#8ab8ef",
    "on-accent": "#10151b",
    "good": "#7ed3a0",
    "warn": "#f0b871",
    "bad": "#ff948c",
}


def explorer_style_sheet() -> str:
    """The explorer's colours as custom properties in CSS."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in colours.items())
        for colours in (EXPLORER_LIGHT, EXPLORER_DARK)
    )
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def class_colours(count: int) -> list[str]:
    """A colour for each class; the first ten are the same for every count.

    Colour-blind readers tell these ten apart. Those of more classes are as far apart as can be:
    see `distinct_colours`.
    """
    if count <= len(_CLASSES):
        return list(_CLASSES[:count])
    found = _many_colours()
    return [found[i % len(found)] for i in range(count)]


@cache
def _many_colours() -> tuple[str, ...]:
    found = distinct_colours(np.array([as_rgb(colour) for colour in _CLASSES]), _MOST)
    return tuple(as_hex(*row) for row in (255 * found).round().astype(int).tolist())


def as_rgb(colour: str) -> tuple[float, float, float]:
    """The parts of a colour "#rrggbb", each in [0, 1]."""
    red, green, blue = (part / 255 for part in _parts(colour))
    return red, green, blue


def blend(colour: str, other: str, share: float) -> str:
    """`colour` with `share` of `other` in it, both "#rrggbb"."""
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return as_hex(*(round(a * (1 - share) + b * share) for a, b in pairs))


def _parts(colour: str) -> Sequence[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
