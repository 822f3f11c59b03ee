"""From bytes to a model's pixels: the one path for training, command line and service."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageFilter

from interpret.bundle.errors import (
    BrokenImageError,
    ImageError,
    NotAnImageError,
    TooManyPixelsError,
)
from interpret.bundle.manifest import Fit, Manifest
from interpret.model.fitting import Rectangle, fit_square, shown_rectangle
from interpret.model.picture_formats import FORMATS, format_of, open_header, with_end_marker

# What the public functions take: a file's path, a file's bytes, a picture in memory, or an array
# of uint8: RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W).
Picture = str | Path | bytes | Image.Image | NDArray[np.uint8]
PICTURE_TYPES = (str, Path, bytes, Image.Image, np.ndarray)

THUMBNAIL_SIDE = 96  # pixels at most; small pictures keep their size
MAX_PIXELS = 64_000_000  # of a picture from elsewhere: a phone's 48 megapixels, far below a bomb
MAX_FILE_PIXELS = 250_000_000  # of a file of one's own: the largest phones' and scans
WHOLE_PIXELS = 40_000_000  # 160 MB as RGB: a larger picture is decoded at a half or less

# Pillow warns about damaged metadata and large pictures. Here a picture is either refused with an
# error or good enough, so these warnings would only clutter a log.
warnings.filterwarnings("ignore", module=r"PIL\.")

_UPRIGHT = {  # by the EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Where Pillow finds an orientation; without any it would look for long.
_WITH_EXIF = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_SIDEWAYS = {_UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}
_SCALABLE = ("JPEG", "MPO")  # what Pillow decodes at a half, a quarter or an eighth

# What Pillow's decoders raise for bytes that are not what their header says.
_DECODER_ERRORS = (
    OSError,
    RuntimeError,
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

_LARGE = threading.Lock()  # one picture above WHOLE_PIXELS at a time: threads share the memory
_STRIP_PIXELS = 4_000_000  # of a large picture, turned to RGB at a time


@dataclass(frozen=True)
class Preprocessing:
    """How a picture of any size becomes the input of one model."""

    size: int  # pixels, of each side
    fit: Fit = "crop"

    @classmethod
    def of(cls, manifest: Manifest) -> Preprocessing:
        """The preprocessing that a bundle's manifest names."""
        return cls(manifest.input_size, manifest.fit)

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """An RGB picture as the model takes it, uint8 (size, size, 3)."""
        return fit_square(image, self.size, self.fit)

    def shown(self, image: Image.Image) -> Rectangle:
        """Where on an upright picture the model's square input lies."""
        return shown_rectangle(image.size, self.size, self.fit)


def as_image(picture: Picture, max_pixels: int | None = None) -> Image.Image:
    """Any kind of picture as an upright RGB one. A path is opened, bytes are decoded.

    Raises ImageError for a picture that cannot be read, ValueError for an array of another shape
    or dtype, and TypeError for what is no picture.
    """
    if isinstance(picture, str | Path):
        return open_image(picture, max_pixels or MAX_FILE_PIXELS)
    if isinstance(picture, bytes):
        return decode(picture, max_pixels or MAX_PIXELS)
    if isinstance(picture, np.ndarray):
        grey, coloured = picture.ndim == 2, picture.ndim == 3 and picture.shape[2] in (3, 4)
        if picture.dtype != np.uint8 or not (grey or coloured) or not picture.size:
            raise ValueError(
                f"the array is {picture.dtype} {picture.shape}, not uint8 (H, W, 3), (H, W, 4) "
                "or (H, W)"
            )
        return _to_rgb(Image.fromarray(picture))
    if isinstance(picture, Image.Image):
        upright = _upright_rgb(picture)
        return upright.copy() if upright is picture else upright
    raise TypeError(
        f"a picture is a path, bytes, a PIL image or an array, not {type(picture).__name__}"
    )


def decode(data: bytes, max_pixels: int = MAX_PIXELS, side: int | None = None) -> Image.Image:
    """Decode a picture in one of FORMATS (its first frame) and any mode to an upright RGB one.

    The pixel count is read from the header and held against `max_pixels` before anything is
    decoded. A picture of more than WHOLE_PIXELS is halved, and again until it has no more.
    With `side`, a JPEG may come out smaller, which is quicker, its shorter side at least so long.
    Raises NotAnImageError, TooManyPixelsError or BrokenImageError.
    """
    image = _opened(data, max_pixels)
    factor = _factor(*image.size)
    if side is not None and image.format in _SCALABLE:
        factor = max([factor, *(f for f in (2, 4, 8) if min(image.size) >= f * side)])
    return _decoded(image, data, factor)


def open_image(
    path: str | Path, max_pixels: int = MAX_FILE_PIXELS, side: int | None = None
) -> Image.Image:
    """Decode the file at `path` as `decode` does; the error names the file. Raises ImageError."""
    data = read_picture(path)
    try:
        return decode(data, max_pixels, side)
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


def read_picture(path: str | Path) -> bytes:
    """The bytes of a file. Raises ImageError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error


def checked_size(data: bytes, max_pixels: int = MAX_FILE_PIXELS) -> tuple[int, int]:
    """Width and height, upright, of a picture that `decode` takes; raises what `decode` raises.

    All of it is decoded, a JPEG at an eighth of its size: every byte is seen at a fraction of the
    cost.
    """
    image = _opened(data, max_pixels)
    width, height = image.size
    _decoded(image, data, 8 if image.format in _SCALABLE else _factor(width, height))
    return (height, width) if _turn(image) in _SIDEWAYS else (width, height)


def thumbnail(picture: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """A picture as WebP, its longer side at most `side`; a tiny one without loss."""
    picture = picture.copy()
    tiny = max(picture.size) <= 16
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=tiny, quality=85)
    return buffer.getvalue()


def featureless(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture (S, S, 3) blurred until only its arrangement of colours is left.

    Attributions compare a picture with it. An even grey would not do: a network may be sure of
    its class.
    """
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(len(pixels) / 8))
    return np.asarray(blurred, dtype=np.uint8)


def _opened(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The picture with its header read and its size within the limit."""
    if not data:
        raise NotAnImageError("the picture is empty (0 bytes)")
    name = format_of(data)
    if name is None:
        raise NotAnImageError(f"not a picture in a format we read ({', '.join(FORMATS)})")
    try:
        image = open_header(data, name)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(f"the picture is over the limit of {max_pixels} pixels") from error
    except _DECODER_ERRORS as error:
        raise BrokenImageError(f"the picture's header is corrupt: {_line(error)}") from error
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"the picture has {width}×{height} pixels; the limit is {max_pixels}"
        )
    if not width * height:
        raise BrokenImageError("the picture has no pixels")
    return image


def _factor(width: int, height: int) -> int:
    """The power of two that brings a picture's sides down to WHOLE_PIXELS."""
    factor = 1
    while width * height > WHOLE_PIXELS * factor**2:
        factor *= 2
    return factor


def _decoded(image: ImageFile.ImageFile, data: bytes, factor: int) -> Image.Image:
    """The picture of `data` as upright RGB, its sides divided by `factor`; a JPEG by at most 8.

    A JPEG that lacks its end marker alone has all its pixels, and viewers show it.
    """
    whole = _factor(*image.size)  # now: to decode a part of it changes the size
    try:
        return _scaled(image, factor)
    except BrokenImageError:
        ended = with_end_marker(data) if image.format == "JPEG" else []
        # At an eighth of the size, a few missing bytes would not be seen.
        found = [_scaled(open_header(version, "JPEG"), whole) for version in ended]
        if not found or any(other != found[0] for other in found):
            raise
        return found[0]


def _scaled(image: ImageFile.ImageFile, factor: int) -> Image.Image:
    if factor == 1:
        return _upright_rgb(image)
    width, height = image.size
    with _LARGE if width * height > WHOLE_PIXELS else nullcontext():
        if image.format in _SCALABLE:  # decoded at that size at once
            image.draft(None, (max(width // factor, 1), max(height // factor, 1)))
        return _upright_rgb(image, _factor(*image.size))


def _upright_rgb(image: Image.Image, factor: int = 1) -> Image.Image:
    try:
        image.load()
        rgb = _to_rgb(image) if factor == 1 else _reduced(image, factor)
        turn = _turn(image)
        return rgb if turn is None else rgb.transpose(turn)
    except _DECODER_ERRORS as error:
        problem = f"the {image.format} picture is corrupt: {_line(error)}"
        raise BrokenImageError(problem) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How a picture must be turned to stand upright."""
    if isinstance(image, ImageFile.ImageFile) and image.info.keys().isdisjoint(_WITH_EXIF):
        return None
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DECODER_ERRORS:  # damaged metadata: the pixels are as good as ever
        return None
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """A loaded picture as RGB, each `factor` × `factor` pixels averaged, in strips."""
    width, height = image.size
    rows = max(_STRIP_PIXELS // width // factor, 1) * factor
    result = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        result.paste(_to_rgb(strip).reduce(factor), (0, top // factor))
    return result


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: keep the high byte; convert() would clip at 255
        grey = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
