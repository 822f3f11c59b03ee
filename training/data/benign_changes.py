"""Changes of a picture that do not change what it shows: formats, sizes, light, a small shift.

A model's limits are found on pictures under such changes, so that its promises hold under them.
Lengths are in parts of the picture's shorter side, for a network sees it at its own size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from training.data.splits import Split

Change = Callable[[Image.Image], Image.Image]

QUALITY = 60  # of JPEG and WebP, at least
LIGHT = 0.2  # brightness, contrast and saturation are multiplied by up to 1 ± this
SHIFT = 1 / 16  # of the side: two pixels of 32
BLUR = 1 / 64  # of the side: half a pixel of 32, the Gaussian's standard deviation
LARGER = 4.0  # times the side of a picture that is made larger, at most


def compressed(picture: Image.Image, kind: str, quality: int) -> Image.Image:
    """The picture after a file of this kind, with losses."""
    file = io.BytesIO()
    picture.save(file, kind, quality=quality)
    file.seek(0)
    with Image.open(file) as found:
        return found.convert("RGB")


def from_larger(picture: Image.Image, times: float) -> Image.Image:
    """The picture shrunk from one that is larger by this factor."""
    width, height = picture.size
    large = picture.resize((round(width * times), round(height * times)), Image.Resampling.BICUBIC)
    return large.resize(picture.size, Image.Resampling.BILINEAR)


def lit(picture: Image.Image, brightness: float, contrast: float, saturation: float) -> Image.Image:
    """The picture with brightness, contrast and saturation multiplied."""
    for kind, factor in (
        (ImageEnhance.Brightness, brightness),
        (ImageEnhance.Contrast, contrast),
        (ImageEnhance.Color, saturation),
    ):
        if factor != 1:
            picture = kind(picture).enhance(factor)
    return picture


def shifted(picture: Image.Image, across: float, down: float) -> Image.Image:
    """The picture moved by these parts of its side, its border mirrored."""
    pixels, side = np.asarray(picture), min(picture.size)
    right, below = round(across * side), round(down * side)
    border = max(abs(right), abs(below))
    wide = np.pad(pixels, ((border, border), (border, border), (0, 0)), mode="symmetric")
    rows, cols = pixels.shape[:2]
    top, left = border - below, border - right
    return Image.fromarray(wide[top : top + rows, left : left + cols])


def blurred(picture: Image.Image, radius: float) -> Image.Image:
    """The picture under a Gaussian blur with this part of its side as standard deviation."""
    return picture.filter(ImageFilter.GaussianBlur(radius * min(picture.size)))


def unchanged(picture: Image.Image) -> Image.Image:
    """The picture itself."""
    return picture


def random_change(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """The picture under one kind of change; strong ones are more frequent than half as strong ones,
    so that limits found under them hold for all.
    """
    strength = math.sin(math.pi / 2 * random.random())
    sign = 1 if random.random() < 0.5 else -1
    kind = random.integers(8)
    if kind < 2:
        quality = round(100 - (100 - QUALITY) * strength)
        return compressed(picture, ("JPEG", "WEBP")[kind], quality)
    if kind == 2:
        return from_larger(picture, 1 + (LARGER - 1) * random.random())
    if kind == 3:
        return shifted(picture, *random.uniform(-SHIFT, SHIFT, 2))
    if kind == 4:
        return blurred(picture, BLUR * strength)
    factors = [1.0, 1.0, 1.0]
    factors[kind - 5] += sign * LIGHT * strength
    return lit(picture, *factors)


# The one that takes most from a small picture: its blocks of eight pixels stay in sight.
STRONGEST: Change = partial(compressed, kind="JPEG", quality=QUALITY)

# The changes that coverage is measured under, by name.
NAMED: Mapping[str, Change] = {
    "as it is": unchanged,
    "JPEG 60": STRONGEST,
    "JPEG 75": partial(compressed, kind="JPEG", quality=75),
    "JPEG 90": partial(compressed, kind="JPEG", quality=90),
    "JPEG 100": partial(compressed, kind="JPEG", quality=100),
    "WebP 80": partial(compressed, kind="WEBP", quality=80),
    "from twice the size": partial(from_larger, times=2),
    "from three times the size": partial(from_larger, times=3),
    "brightness −20 %": partial(lit, brightness=1 - LIGHT, contrast=1, saturation=1),
    "brightness +20 %": partial(lit, brightness=1 + LIGHT, contrast=1, saturation=1),
    "contrast −20 %": partial(lit, brightness=1, contrast=1 - LIGHT, saturation=1),
    "contrast +20 %": partial(lit, brightness=1, contrast=1 + LIGHT, saturation=1),
    "saturation −20 %": partial(lit, brightness=1, contrast=1, saturation=1 - LIGHT),
    "saturation +20 %": partial(lit, brightness=1, contrast=1, saturation=1 + LIGHT),
    "shift by 1/16 of the side": partial(shifted, across=SHIFT, down=SHIFT),
    "mild blur": partial(blurred, radius=BLUR),
}


def changed(split: Split, change: Change, rows: NDArray[np.bool_] | None = None) -> Split:
    """The pictures of a split under a change; with `rows` (N,) only those."""
    return _each(split, lambda picture, _: change(picture), rows)


def randomly_changed(split: Split, seed: int, rows: NDArray[np.bool_] | None = None) -> Split:
    """The pictures of a split, each under a random change that depends on seed and row alone;
    with `rows` (N,) only those.
    """
    return _each(
        split, lambda picture, row: random_change(picture, np.random.default_rng((seed, row))), rows
    )


def _each(
    split: Split,
    change: Callable[[Image.Image, int], Image.Image],
    rows: NDArray[np.bool_] | None,
) -> Split:
    def opened(row: int) -> Image.Image:
        picture = split.open_picture(row)
        return picture if rows is not None and not rows[row] else change(picture, row)

    return Split(split.labels, split.sources, opened, split.content, fit=split.fit)
