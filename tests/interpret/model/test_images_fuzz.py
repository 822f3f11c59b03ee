"""Whatever the bytes are, decoding ends in an RGB picture or an ImageError."""

import io

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from interpret.bundle.errors import ImageError
from interpret.model.images import decode

# Pillow warns about damaged metadata: outside of tests `interpret.model.images` ignores it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8))


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _heif(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def _files() -> list[bytes]:
    exif, chunks = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112], exif[0x010E] = 6, "a description"
    chunks.add_text("a", "b" * 50, zip=True)
    chunks.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='3'/>", zip=True)
    turned = NOISE.rotate(90)
    return [
        _encode(NOISE, "JPEG", exif=exif),
        _encode(NOISE, "JPEG", progressive=True),
        _encode(NOISE.convert("CMYK"), "JPEG"),
        _encode(NOISE, "MPO", save_all=True, append_images=[turned]),
        _encode(NOISE, "PNG", exif=exif, pnginfo=chunks, icc_profile=b"x" * 200),
        _encode(NOISE.convert("P"), "PNG", transparency=3),
        _encode(NOISE.convert("RGBA"), "PNG", save_all=True, append_images=[turned]),
        _encode(Image.new("I;16", (9, 9), 40_000), "PNG"),
        _encode(NOISE, "WEBP", exif=exif),
        _encode(NOISE, "WEBP", save_all=True, append_images=[turned]),
        _encode(NOISE, "BMP"),
        _encode(NOISE.convert("P"), "BMP"),
        _encode(NOISE, "GIF", save_all=True, append_images=[turned]),
        _encode(NOISE, "AVIF", exif=exif),
        _encode(NOISE, "AVIF", save_all=True, append_images=[turned]),
        _encode(NOISE.convert("RGBA"), "AVIF"),
        _heif(NOISE),
        _heif(NOISE.convert("RGBA")),
    ]


FILES = _files()
SIGNATURES = [
    *(b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"),
    *(b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real file with a few bytes changed, removed, inserted, or its end cut off."""
    data = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 6))):
        head = draw(st.booleans())  # headers are where parsers live
        at = draw(st.integers(0, min(len(data), 120) if head else len(data)))
        how = draw(st.sampled_from(["change", "change", "remove", "insert", "cut"]))
        if how == "change":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif how == "remove":
            del data[at : at + draw(st.integers(1, 8))]
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        else:
            del data[at:]
    return bytes(data)


def _ends_well(data: bytes) -> bool:
    try:
        image = decode(data, max_pixels=1_000_000)
    except ImageError as error:
        return "\n" not in str(error)
    return image.mode == "RGB" and min(image.size) > 0


BOUNDED = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@BOUNDED
@given(damaged())
def test_damaged_files(data: bytes) -> None:
    assert _ends_well(data)


@BOUNDED
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"\0\0\0\x18ftypheic"]
    ),
    st.binary(),
)
def test_arbitrary_bytes_behind_a_signature(signature: bytes, data: bytes) -> None:
    assert _ends_well(signature + data)
