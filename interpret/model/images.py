"""From bytes to a model's pixels: the one path for training, command line and service."""

from __future__ import annotations

import base64
import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFilter, ImageOps, UnidentifiedImageError

from interpret.bundle.errors import (
    BrokenImageError,
    ImageError,
    NotAnImageError,
    TooManyPixelsError,
)
from interpret.bundle.file_suffixes import has_suffix
from interpret.bundle.manifest import Manifest

# What the public functions take: a file's path, a file's bytes, a picture in memory, or an array
# of uint8: RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W).
Picture = str | Path | bytes | Image.Image | NDArray[np.uint8]
PICTURE_TYPES = (str, Path, bytes, Image.Image, np.ndarray)

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
THUMBNAIL_SIDE = 96  # pixels at most; small pictures keep their size
MAX_PIXELS = 40_000_000  # 120 MB as RGB: larger than any camera's JPEG, far below a bomb

# The rule `fit_square` follows, in words, for the manifest of every bundle.
PREPROCESSING = (
    "RGB, 8 bits; EXIF orientation applied; transparency over white; the largest centred square, "
    "resized to the input size with an antialiased bilinear filter"
)

# Pillow warns about damaged metadata and large pictures. Here a picture is either refused with an
# error or good enough, so these warnings would only clutter a log.
warnings.filterwarnings("ignore", module=r"PIL\.")

_SIGNATURE = re.compile(  # of each format, by the name that it has in media types
    rb"(?P<jpeg>\xff\xd8\xff)|(?P<png>\x89PNG)|(?P<webp>RIFF....WEBP)|(?P<bmp>BM)|(?P<gif>GIF8)",
    re.DOTALL,
)
_UPRIGHT = {  # by the EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

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


@dataclass(frozen=True)
class Preprocessing:
    """How a picture of any size becomes the input of one model."""

    size: int  # pixels, of each side

    @classmethod
    def of(cls, manifest: Manifest) -> Preprocessing:
        """The preprocessing that a bundle's manifest names."""
        return cls(manifest.input_size)

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """An RGB picture as the model takes it, uint8 (size, size, 3)."""
        return fit_square(image, self.size)


def as_image(picture: Picture, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Any kind of picture as an upright RGB one. A path is opened, bytes are decoded.

    Raises ImageError for a picture that cannot be read, ValueError for an array of another shape
    or dtype, and TypeError for what is no picture.
    """
    if isinstance(picture, str | Path):
        return open_image(picture, max_pixels)
    if isinstance(picture, bytes):
        return decode(picture, max_pixels)
    if isinstance(picture, np.ndarray):
        grey, coloured = picture.ndim == 2, picture.ndim == 3 and picture.shape[2] in (3, 4)
        if picture.dtype != np.uint8 or not (grey or coloured) or not picture.size:
            raise ValueError(
                f"the array is {picture.dtype} {picture.shape}, not uint8 (H, W, 3), (H, W, 4) "
                "or (H, W)"
            )
        return _to_rgb(Image.fromarray(picture))
    if isinstance(picture, Image.Image):
        return _upright_rgb(picture)
    raise TypeError(
        f"a picture is a path, bytes, a PIL image or an array, not {type(picture).__name__}"
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
        if _SIGNATURE.match(data):  # Pillow gives up on a header cut short with the same error
            raise BrokenImageError("the picture's header is corrupt") from error
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
    return _upright_rgb(image)


def open_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode the file at `path` as `decode` does; the error names the file. Raises ImageError."""
    try:
        data = Path(path).read_bytes()
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


def media_type(data: bytes) -> str:
    """The media type of an encoded picture by its first bytes, "image/png" and the like."""
    found = _SIGNATURE.match(data)
    return f"image/{found.lastgroup}" if found else "application/octet-stream"


def data_uri(image: bytes) -> str:
    """An encoded picture as an address that holds it."""
    return f"data:{media_type(image)};base64,{base64.b64encode(image).decode()}"


def thumbnail(picture: Image.Image) -> bytes:
    """A picture as WebP, its longer side at most THUMBNAIL_SIDE; a tiny one without loss."""
    picture = picture.copy()
    tiny = max(picture.size) <= 16
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=tiny, quality=85)
    return buffer.getvalue()


def pictures_in(folder: Path) -> list[Path]:
    """The files below a folder that are pictures by their suffix, sorted."""
    return sorted(f for f in folder.rglob("*") if has_suffix(f, "pictures") and f.is_file())


def featureless(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture (S, S, 3) blurred until only its arrangement of colours is left.

    Attributions compare a picture with it. An even grey would not do: a network may be sure of
    its class.
    """
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(len(pixels) / 8))
    return np.asarray(blurred, dtype=np.uint8)


def _upright_rgb(image: Image.Image) -> Image.Image:
    try:
        image.load()
        return _to_rgb(_upright(image))
    except _DECODER_ERRORS as error:
        raise BrokenImageError(f"the {image.format} picture is corrupt: {error}") from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DECODER_ERRORS:  # damaged metadata: the pixels are as good as ever
        return image
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: keep the high byte; convert() would clip at 255
        grey = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
