"""How a picture of any shape fills the square that a model takes, and where that square lies on it.

Coordinates are in pixels of the upright original: x to the right, y downwards, (0, 0) its corner.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.manifest import Fit

BORDER = (128, 128, 128)  # beside a letterboxed picture: grey is near the mean of most pictures

_PARTS = {
    "crop": "the largest centred square, resized to the input size",
    "letterbox": "the whole picture, resized until its longer side is the input size, centred on "
    f"grey {BORDER[0]}",
    "squash": "the whole picture, each side resized to the input size",
}


class Rectangle(NamedTuple):
    """A part of a picture's plane; what lies outside of the picture is border."""

    left: float
    top: float
    right: float
    bottom: float


class _Placement(NamedTuple):
    """The part of the original that is shown, its size in the square, and its corner there."""

    part: Rectangle
    size: tuple[int, int]
    corner: tuple[int, int]


def in_words(fit: Fit, enlarged: int | None = None) -> str:
    """The rule that `fit_square` follows, for the manifest of a bundle; `enlarged` is the side that
    the network then enlarges the square to.
    """
    then = "" if enlarged is None else f"; the network enlarges that to {enlarged} pixels"
    return (
        "RGB, 8 bits; EXIF orientation applied; transparency over white; "
        f"{_PARTS[fit]} with an antialiased bilinear filter{then}"
    )


def fit_square(image: Image.Image, size: int, fit: Fit = "crop") -> NDArray[np.uint8]:
    """An RGB picture as uint8 (size, size, 3).

    `crop` takes the largest centred square, `letterbox` the whole picture with a border of BORDER,
    `squash` the whole picture with its shape given up. A square picture is the same by each.
    """
    if image.size == (size, size):
        return np.frombuffer(image.tobytes(), np.uint8).reshape(size, size, 3)
    part, inner, corner = _placement(image.size, size, fit)
    shown = image.resize(inner, Image.Resampling.BILINEAR, box=part)
    if inner == (size, size):
        return np.asarray(shown, dtype=np.uint8)
    square = Image.new("RGB", (size, size), BORDER)
    square.paste(shown, corner)
    return np.asarray(square, dtype=np.uint8)


def shown_rectangle(original: tuple[int, int], size: int, fit: Fit) -> Rectangle:
    """Where the square of `fit_square` lies on an original of this width and height.

    By `crop` it lies inside of the original, by `squash` it is the original, and by `letterbox` it
    reaches beyond it.
    """
    part, inner, corner = _placement(original, size, fit)
    (width, height), (left, top) = inner, corner
    across, down = (part.right - part.left) / width, (part.bottom - part.top) / height
    return Rectangle(
        part.left - left * across,
        part.top - top * down,
        part.left + (size - left) * across,
        part.top + (size - top) * down,
    )


def _placement(original: tuple[int, int], size: int, fit: Fit) -> _Placement:
    width, height = original
    if fit == "crop":
        side = min(original)
        left, top = (width - side) / 2, (height - side) / 2
        return _Placement(Rectangle(left, top, left + side, top + side), (size, size), (0, 0))
    whole = Rectangle(0, 0, width, height)
    if fit == "squash":
        return _Placement(whole, (size, size), (0, 0))
    inner = (
        max(round(size * width / max(original)), 1),
        max(round(size * height / max(original)), 1),
    )
    return _Placement(whole, inner, ((size - inner[0]) // 2, (size - inner[1]) // 2))
