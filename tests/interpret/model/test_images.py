import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from interpret.bundle.errors import (
    BrokenImageError,
    DpnpError,
    ImageError,
    NotAnImageError,
)
from interpret.model.images import as_image, checked_size, decode, open_image
from interpret.model.picture_formats import FORMATS
from tests.interpret.model.encoded_pictures import encode

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def flat(mode: str, colour: object, kind: str, **options: object) -> bytes:
    return encode(Image.new(mode, (16, 12), colour), kind, **options)  # type: ignore[arg-type]


def palette(kind: str, **options: object) -> bytes:
    image = Image.new("P", (16, 12), 1)
    image.putpalette([*WHITE, *RED, *BLUE])
    return encode(image, kind, **options)


def animated(kind: str, **options: object) -> bytes:
    frames = [Image.new("RGB", (16, 12), colour) for colour in (RED, BLUE)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)


def grey16(level: int) -> bytes:
    return encode(Image.fromarray(np.full((12, 16), level, np.uint16)), "PNG")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (flat("RGB", RED, "JPEG", quality=95), (254, 0, 0)),
        (flat("CMYK", (0, 255, 255, 0), "JPEG", quality=95), RED),
        (flat("L", 100, "JPEG"), (100, 100, 100)),
        (flat("RGB", RED, "PNG"), RED),
        (flat("RGBA", (*RED, 255), "PNG"), RED),
        (flat("RGBA", (*RED, 0), "PNG"), WHITE),
        (flat("RGBA", (0, 0, 0, 51), "PNG"), (204, 204, 204)),  # 255 · (1 − 51/255)
        (flat("LA", (0, 255), "PNG"), (0, 0, 0)),
        (flat("LA", (0, 51), "PNG"), (204, 204, 204)),
        (flat("L", 7, "PNG"), (7, 7, 7)),
        (flat("L", 7, "PNG", transparency=7), WHITE),
        (flat("1", 1, "PNG"), WHITE),
        (flat("1", 0, "PNG"), (0, 0, 0)),
        (grey16(0), (0, 0, 0)),
        (grey16(0x80FF), (128, 128, 128)),
        (grey16(0xFFFF), WHITE),
        (palette("PNG"), RED),
        (palette("PNG", transparency=1), WHITE),
        (palette("PNG", transparency=bytes([0, 255, 255])), RED),
        (palette("BMP"), RED),
        (palette("GIF"), RED),
        (palette("GIF", transparency=1), WHITE),
        (flat("RGB", RED, "BMP"), RED),
        (flat("L", 9, "GIF"), (9, 9, 9)),
        (flat("RGB", RED, "WEBP", lossless=True), RED),
        (flat("RGBA", (*RED, 0), "WEBP", lossless=True), WHITE),
        (flat("RGB", RED, "HEIF", quality=-1, chroma=444), RED),
        (flat("RGBA", (*RED, 0), "HEIF", quality=-1), WHITE),
        (flat("L", 9, "HEIF", quality=-1), (9, 9, 9)),
        (flat("RGB", RED, "AVIF", quality=100, subsampling="4:4:4"), (254, 0, 0)),
        (flat("RGBA", (*RED, 0), "AVIF"), WHITE),
        (animated("GIF"), RED),
        (animated("WEBP", lossless=True), RED),
        (animated("PNG"), RED),
    ],
)
def test_every_format_and_mode_becomes_rgb(data: bytes, expected: tuple[int, ...]) -> None:
    image = decode(data)
    assert (image.mode, image.size) == ("RGB", (16, 12))
    pixels = np.asarray(image).reshape(-1, 3).astype(int)
    assert np.abs(pixels - expected).max() <= 1


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),  # the camera was turned: the row 0 is the right side
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: np.rot90,
    9: lambda a: a,  # no such orientation
}


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", TURNS)
def test_orientations(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(NOISE), kind, exif=exif, lossless=True)
    np.testing.assert_array_equal(np.asarray(decode(data)), TURNS[orientation](NOISE))


def test_the_row_0_is_the_right_side_of_a_turned_jpeg() -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.asarray(decode(encode(Image.fromarray(stored), "JPEG", exif=exif)))
    assert upright.shape == (64, 32, 3)
    assert upright[:, 26:].min() > 200
    assert upright[:, :20].max() < 50


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0junk", b"Exif\0\0MM\0\x2a\0\0\0\x08\0"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_metadata_does_not_cost_the_picture(exif: bytes) -> None:
    block = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = flat("RGB", RED, "JPEG")
    assert decode(data[:2] + block + data[2:]).size == (16, 12)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", NotAnImageError, "empty"),
        (b"\0" * 100, NotAnImageError, "not a picture in a format we read (JPEG, PNG, WEBP"),
        (b"just some text\n", NotAnImageError, "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NotAnImageError, "not a picture"),
        (encode(Image.new("RGB", (4, 4)), "TIFF"), NotAnImageError, "not a picture"),
        (encode(Image.new("RGB", (4, 4)), "PPM"), NotAnImageError, "not a picture"),
        (b"\x89PNG\r\n\x1a\n", BrokenImageError, "header is corrupt"),
        (b"GIF89a", BrokenImageError, "header is corrupt"),
        (b"\xff\xd8\xff", BrokenImageError, "header is corrupt"),
    ],
)
def test_what_is_no_picture(data: bytes, error: type[ImageError], words: str) -> None:
    with pytest.raises(error) as caught:
        decode(data)
    assert words in str(caught.value)
    assert issubclass(error, DpnpError)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_truncated(kind: str, share: float) -> None:
    data = encode(Image.fromarray(NOISE), kind)
    assert decode(data).size == (30, 40)
    with pytest.raises(BrokenImageError, match="corrupt"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("options", [{"quality": 95}, {"progressive": True}, {"optimize": True}])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_whole(options: dict[str, object], missing: int) -> None:
    data = encode(Image.fromarray(NOISE), "JPEG", **options)
    cut = data[:-missing]
    assert decode(cut) == decode(data)
    assert checked_size(cut) == (30, 40)


@pytest.mark.parametrize("options", [{"quality": 95}, {"progressive": True}, {"optimize": True}])
def test_a_jpeg_without_its_last_pixels_is_corrupt(options: dict[str, object]) -> None:
    data = encode(Image.fromarray(NOISE), "JPEG", **options)
    for missing in range(5, 60):
        for read in (decode, checked_size):
            with pytest.raises(BrokenImageError, match="truncated"):
                read(data[:-missing])


@pytest.mark.parametrize("size", [(20, 20), (21, 20), (20, 21)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_checked_size_is_upright(size: tuple[int, int], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.new("RGB", size), "JPEG", exif=exif)
    assert checked_size(data) == decode(data).size


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("text named png")
    with pytest.raises(NotAnImageError, match=r"notes\.png: not a picture"):
        open_image(path)
    with pytest.raises(ImageError, match=r"none\.png: No such file"):
        open_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="Is a directory"):
        open_image(tmp_path)
    path.write_bytes(flat("RGB", RED, "BMP"))  # the content counts, not the name
    assert open_image(path).getpixel((3, 3)) == RED


def test_a_picture_in_memory_is_copied_and_turned_by_what_was_set_on_it() -> None:
    picture = Image.new("RGB", (4, 2), "red")
    found = as_image(picture)
    assert found is not picture
    picture.getexif()[ExifTags.Base.Orientation] = 6
    assert as_image(picture).size == (2, 4)
