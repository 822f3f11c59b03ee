"""From bytes to the pixels a model takes: the one path for training, command line and service."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from interpret.errors import BrokenImageError, ImageError, NotAnImageError, TooManyPixelsError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 40_000_000  # 120 MB as RGB: larger than any camera's JPEG, far below a bomb

# The rule `fit_square` follows, in words, for the manifest of every bundle.
PREPROCESSING = (
    "RGB, 8 bits; EXIF orientation applied; transparency over white; the largest centred square, "
    "resized to the input size with an antialiased bilinear filter"
)

# What Pillow's decoders raise for bytes that are not what their header says.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a JPEG, PNG, WebP, BMP or GIF (first frame) of any mode to an upright RGB picture.

    The pixel count is read from the header and held against `max_pixels` before anything is
    decoded. Raises NotAnImageError, TooManyPixelsError or BrokenImageError.
    """
    if not data:
        raise NotAnImageError("the picture is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(f"the picture is over the limit of {max_pixels} pixels") from error
    except UnidentifiedImageError as error:
        raise NotAnImageError(
            f"not a picture in a format we read ({', '.join(FORMATS)})"
        ) from error
    except _DECODER_ERRORS as error:
        raise BrokenImageError(f"the picture's header is corrupt: {error}") from error
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"the picture has {width}×{height} pixels; the limit is {max_pixels}"
        )
    if not width * height:
        raise BrokenImageError("the picture has no pixels")
    try:
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))
    except _DECODER_ERRORS as error:
        raise BrokenImageError(f"the {image.format} picture is corrupt: {error}") from error


def open_image(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """`decode` the file at `path`; the error names the file. Raises ImageError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    try:
        return decode(data, max_pixels)
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


def fit_square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The largest centred square of an RGB picture as uint8 (size, size, 3): see PREPROCESSING."""
    square = ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)
    return np.asarray(square, dtype=np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: keep the high byte; convert() would clip at 255
        grey = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
