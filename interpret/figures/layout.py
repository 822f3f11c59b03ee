"""A figure laid out in inches from its top left corner, with text that fits its place.

Only Matplotlib's objects are used, none of its global state: any thread can draw.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.atomic_files import write_atomically
from interpret.bundle.errors import DpnpError
from interpret.bundle.file_suffixes import check_suffix
from interpret.explain.evidence import TINY
from interpret.figures.palette import INK, RULE

_DPI = 160
# Tried in this order for each character; the first comes with Matplotlib.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Emoji",
)
_NO_GLYPH = "□"


class Layout:
    """A white figure of `width` × `height` inches; places count from the top left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(self.figure)
        self._renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        self._width, self._height = width, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without ticks and frame."""
        bottom = self._height - top - height
        axes = self.figure.add_axes(
            (left / self._width, bottom / self._height, width / self._width, height / self._height)
        )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return axes

    def text(
        self,
        left: float,
        baseline: float,
        text: str,
        *,
        width: float,
        size: float = 9,
        colour: str = INK,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
    ) -> float:
        """One line, cut with an ellipsis to fit `width`; returns the width it takes.

        `left` is where the line starts, is centred or ends, as `align` says.
        """
        line = self.figure.text(
            left / self._width,
            1 - baseline / self._height,
            "",
            size=size,
            color=colour,
            weight="bold" if bold else "normal",
            ha=align,
            va="baseline",
            family=list(fonts()),
            parse_math=False,
        )

        def taken(candidate: str) -> float:
            line.set_text(candidate)
            return float(line.get_window_extent(self._renderer).width) / _DPI

        text = legible(text)
        if (whole := taken(text)) <= width:
            return whole
        fits, too_long = 0, len(text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if taken(text[:middle].rstrip() + "…") <= width:
                fits = middle
            else:
                too_long = middle
        return taken(text[:fits].rstrip() + "…")

    def picture(
        self, left: float, top: float, side: float, image: Image.Image | NDArray[np.uint8]
    ) -> AxesImage:
        """A picture in a bordered square of `side` inches; small ones keep their pixels' edges."""
        axes = self.axes(left, top, side, side)
        axes.spines[:].set(visible=True, color=RULE, linewidth=0.6)
        small = max(image.size if isinstance(image, Image.Image) else image.shape[:2]) <= TINY
        return axes.imshow(image, interpolation="nearest" if small else "antialiased")

    def rule(self, left: float, top: float, width: float) -> None:
        """A thin horizontal line."""
        self.axes(left, top, width, 0.01).axhline(0, color=RULE, linewidth=0.8)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in one go, in the format of its suffix. Raises DpnpError."""
    check_suffix(path, "figures")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().removeprefix("."))
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise DpnpError(f"{path} cannot be written: {error.strerror or error}") from error


def legible(text: str) -> str:
    """One line of text whose every character some installed font can draw."""
    known = _glyphs()
    return "".join(
        " " if c.isspace() else c if ord(c) in known else _NO_GLYPH for c in " ".join(text.split())
    )


@functools.cache
def fonts() -> tuple[str, ...]:
    """The families that are installed, in the order in which characters are looked for in them."""
    installed = set(font_manager.fontManager.get_font_names())
    return tuple(name for name in _FONTS if name in installed)


@functools.cache
def _glyphs() -> frozenset[int]:
    files = [
        font_manager.findfont(font_manager.FontProperties(family=name, weight=weight))
        for name in fonts()
        for weight in ("normal", "bold")
    ]
    # Normal and bold font of a family must both have a character; one of the families is enough.
    pairs = zip(files[::2], files[1::2], strict=True)
    glyphs = [
        font_manager.get_font(a).get_charmap().keys()
        & font_manager.get_font(b).get_charmap().keys()
        for a, b in pairs
    ]
    return frozenset().union(*glyphs)
