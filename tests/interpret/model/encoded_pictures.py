"""Pictures as the bytes of a file."""

import io

import pillow_heif
from PIL import Image


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """The picture in a format as Pillow names it, or HEIF."""
    buffer = io.BytesIO()
    if kind == "HEIF":  # not through Pillow's register: decoding must not need it
        pillow_heif.from_pillow(image).save(buffer, **options)
        return buffer.getvalue()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()
