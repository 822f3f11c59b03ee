"""The picture formats that are read: how each is told from its first bytes, and its decoder.

A decoder is called by the format that the bytes show, never by a file's name or by the list of all
that Pillow has: nothing else of Pillow sees foreign bytes.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module

from PIL import ImageFile

HEAD = 64  # bytes that tell the format of a file
_BRANDS = {  # of the ISO base media files that hold pictures
    b"heic": "HEIF", b"heix": "HEIF", b"heim": "HEIF", b"heis": "HEIF",
    b"hevc": "HEIF", b"hevx": "HEIF", b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
_SIGNATURE = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG)|(?P<WEBP>RIFF....WEBP)|(?P<BMP>BM)|(?P<GIF>GIF8)",
    re.DOTALL,
)
_DECODERS = {  # module and name; each takes a stream and a file name
    "JPEG": ("PIL.JpegImagePlugin", "jpeg_factory"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
}
FORMATS = tuple(_DECODERS)

# Pictures and near relations that people keep beside those that are read.
_OTHERS = re.compile(
    rb"(?P<TIFF>II\x2a\0|MM\0\x2a|II\x2b\0|MM\0\x2b)|(?P<Photoshop>8BPS)|(?P<ICO>\0\0\x01\0)|"
    rb"(?P<JPEG_2000>\0\0\0\x0cjP  |\xff\x4f\xff\x51)|(?P<JPEG_XL>\xff\x0a|\0\0\0\x0cJXL )|"
    rb"(?P<PNM>P[1-7]\s)|(?P<SVG>\s*(<\?xml[^>]*>\s*)?<svg)|(?P<PDF>%PDF)|"
    rb"(?P<video>....ftyp|\x1aE\xdf\xa3|RIFF....AVI )",
    re.DOTALL,
)
_TEXTS = (b"tEXt", b"zTXt", b"iCCP", b"tIME")
_JPEG_END = b"\xff\xd9"
_FILLINGS = (b"", b"\xaa" * 1024, b"\x55" * 1024)  # what may stand behind the data of a JPEG


def format_of(data: bytes) -> str | None:
    """The format in FORMATS that bytes begin as; None for others."""
    if data[4:8] == b"ftyp":
        # The major brand, then compatible ones: "mif1" alone says only that it is a picture.
        brands = [data[8:12], *(data[i : i + 4] for i in range(16, min(len(data), HEAD), 4))]
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    found = _SIGNATURE.match(data)
    return found.lastgroup if found else None


def unread_format(data: bytes) -> str | None:
    """The name of a known format that is not read, by its first bytes; None for anything else."""
    if format_of(data) is not None:
        return None
    found = _OTHERS.match(data)
    name = next((k for k, v in found.groupdict().items() if v is not None), None) if found else None
    return name.replace("_", " ") if name else None


def open_header(data: bytes, name: str) -> ImageFile.ImageFile:
    """The picture of a format in FORMATS with its header read and nothing decoded.

    Pillow raises SyntaxError, OSError and others for a header that is damaged.
    """
    if name == "PNG":
        data = without_texts(data)
    return _decoder(name)(io.BytesIO(data), "")


@cache
def _decoder(name: str) -> Callable[[io.BytesIO, str], ImageFile.ImageFile]:
    """Imported when the first such picture comes: HEIF's library takes a while to load."""
    module, decoder = _DECODERS[name]
    found: Callable[[io.BytesIO, str], ImageFile.ImageFile] = getattr(
        import_module(module), decoder
    )
    return found


def without_texts(png: bytes) -> bytes:
    """A PNG without its compressed texts and profiles, and without comments.

    They may be of any size, and damaged, when every pixel is whole; Pillow would refuse both.
    """
    kept, at = [png[:8]], 8
    while at + 8 <= len(png):
        size, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        end = at + 12 + size
        # In an iTXt, the byte behind the keyword's zero says whether it is compressed.
        _, _, rest = png[at + 8 : min(end, at + 8 + 82)].partition(b"\0")
        compressed = kind == b"iTXt" and rest[:1] == b"\1"
        if not (kind in _TEXTS or compressed):
            kept.append(png[at:end])
        at = end
    return b"".join(kept) + png[at:] if len(kept) > 1 else png


def with_end_marker(jpeg: bytes) -> list[bytes]:
    """A JPEG without an end marker, given one, in several versions; none of one that has a marker.

    They have different data before the marker. A decoder makes the same picture of all if every
    pixel was there. Of a picture that was cut, it fills the rest differently.
    """
    data = jpeg.rstrip(b"\xff")  # half a marker
    if data.endswith(_JPEG_END):
        return []
    return [data + filling + _JPEG_END for filling in _FILLINGS]


def media_type(data: bytes) -> str:
    """The media type of an encoded picture by its first bytes, "image/png" and the like."""
    found = format_of(data)
    return f"image/{found.lower()}" if found else "application/octet-stream"


def data_uri(image: bytes) -> str:
    """An encoded picture as an address that holds it."""
    return f"data:{media_type(image)};base64,{base64.b64encode(image).decode()}"
