import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from interpret.model.picture_formats import (
    FORMATS,
    data_uri,
    format_of,
    media_type,
    open_header,
    unread_format,
    without_texts,
)
from tests.interpret.model.encoded_pictures import encode


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_told_from_its_first_bytes_and_opened(kind: str) -> None:
    data = encode(Image.new("RGB", (16, 12)), kind)
    assert format_of(data[:64]) == kind
    assert unread_format(data) is None
    header = open_header(data, kind)
    assert (header.format, header.size) == (kind, (16, 12))


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"avis\0\0\0\0avifavis", "AVIF"),
        (b"mif1\0\0\0\0mif1", None),
        (b"isom\0\0\0\0isommp42", None),
    ],
)
def test_containers_are_told_by_their_brands(brands: bytes, expected: str | None) -> None:
    data = b"\0\0\0\x20ftyp" + brands
    assert format_of(data) == expected
    assert unread_format(data) == (None if expected else "video")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (lambda: encode(Image.new("RGB", (16, 12)), "TIFF"), "TIFF"),
        (lambda: encode(Image.new("RGB", (16, 12)), "PPM"), "PNM"),
        (lambda: encode(Image.new("RGB", (16, 12)), "ICO"), "ICO"),
        (lambda: encode(Image.new("RGB", (16, 12)), "JPEG2000"), "JPEG 2000"),
        (lambda: b"8BPS\0\1", "Photoshop"),
        (lambda: b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "SVG"),
        (lambda: b"%PDF-1.7", "PDF"),
        (lambda: b"just some text\n", None),
        (lambda: b"", None),
    ],
)
def test_formats_that_are_not_read_have_a_name(data: Callable[[], bytes], name: str | None) -> None:
    assert format_of(data()) is None
    assert unread_format(data()[:64]) == name


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


LARGE = zlib.compress(bytes(2_000_000))  # more than Pillow takes


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"workflow\0\0" + LARGE),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE),
        chunk(b"iCCP", b"scanner\0\0" + LARGE),
        chunk(b"tEXt", b"Comment\0hello").replace(b"hello", b"jello"),  # its checksum is wrong
    ],
)
def test_large_or_damaged_texts_do_not_cost_the_picture(text: bytes) -> None:
    whole = encode(Image.new("RGB", (16, 12)), "PNG")
    for at in (33, len(whole) - 12):  # behind the header, and before the end
        png = whole[:at] + text + whole[at:]
        header = open_header(png, "PNG")
        header.load()
        assert header.size == (16, 12)
        assert without_texts(png) == whole


def test_what_pixels_need_and_small_metadata_stay() -> None:
    whole = encode(Image.new("RGB", (16, 12)), "PNG")
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")
    kept = whole[:33] + chunk(b"tRNS", bytes(6)) + xmp + whole[33:]
    assert without_texts(kept) == kept
    for cut in range(len(kept)):
        assert without_texts(kept[:cut]) == kept[:cut]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_media_type_is_told_from_the_bytes(kind: str) -> None:
    assert media_type(encode(Image.new("RGB", (4, 4)), kind)) == f"image/{kind.lower()}"


def test_bytes_of_no_picture_have_no_media_type_of_one() -> None:
    for data in (b"", b"RIFF....WAVE", b"<svg/>"):
        assert media_type(data) == "application/octet-stream"


def test_a_picture_as_an_address() -> None:
    assert data_uri(b"\x89PNG....") == "data:image/png;base64,iVBORy4uLi4="
    assert data_uri(b"RIFF....WEBP").startswith("data:image/webp;base64,UklGRi4u")
