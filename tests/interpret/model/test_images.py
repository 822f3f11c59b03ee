import io
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from interpret.bundle.errors import (
    BrokenImageError,
    DpnpError,
    ImageError,
    NotAnImageError,
    TooManyPixelsError,
)
from interpret.model import images
from interpret.model.images import as_image, checked_size, decode, open_image
from interpret.model.picture_formats import FORMATS, data_uri, media_type
from tests.interpret.model.forged_pictures import png_header

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":  # not through Pillow's register: decoding must not need it
        pillow_heif.from_pillow(image).save(buffer, **options)
        return buffer.getvalue()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


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


@pytest.mark.parametrize("size", [(13_000, 13_000), (64_001, 1_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("strict", [False, True])  # whether Pillow's own warning is an error
def test_a_bomb_is_refused_undecoded(size: tuple[int, int], strict: bool) -> None:
    data = png_header(*size)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if strict else "ignore", Image.DecompressionBombWarning)
        tracemalloc.start()
        with pytest.raises(TooManyPixelsError, match="64000000"):
            decode(data)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 1_000_000  # bytes: of the smallest of these pictures alone it would be 120 MB


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "JPEG", {"quality": 95}),
        ("CMYK", "JPEG", {"quality": 95}),
        ("RGB", "PNG", {}),
        ("1", "PNG", {}),
        ("P", "PNG", {"transparency": 3}),
        ("LA", "PNG", {}),
        ("I;16", "PNG", {}),
        ("RGBA", "WEBP", {"lossless": True}),
        ("RGB", "HEIF", {}),
        ("RGB", "AVIF", {}),
    ],
)
@pytest.mark.parametrize("strip", [1, 10**6])
def test_a_large_picture_is_decoded_at_a_quarter(
    monkeypatch: pytest.MonkeyPatch, mode: str, kind: str, options: dict[str, object], strip: int
) -> None:
    ramp = Image.linear_gradient("L").resize((92, 64))
    colours = Image.merge("RGB", (ramp, ramp.rotate(180), ramp))
    picture = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257)
    if mode != "I;16":
        picture = colours.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(picture, kind, **({} if kind == "HEIF" else {"exif": exif}), **options)
    whole = decode(data)
    monkeypatch.setattr(images, "WHOLE_PIXELS", 500)  # of 5,888: two halvings leave 368
    monkeypatch.setattr(images, "_STRIP_PIXELS", strip)
    small = decode(data)
    assert small.size == tuple(-(-side // 4) for side in whole.size)
    expected = np.asarray(whole.reduce(4)).astype(int)
    assert np.abs(np.asarray(small) - expected).max() <= 6
    assert checked_size(data) == whole.size


def test_camera_pictures_and_scans_are_read(tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L").resize((8064, 6048))
    phone = encode(ramp, "JPEG")
    assert decode(phone).size == (4032, 3024)
    Image.new("1", (20_000, 10_000), 1).save(tmp_path / "scan.png")
    scan = open_image(tmp_path / "scan.png")
    assert (scan.mode, scan.size) == ("RGB", (5_000, 2_500))
    assert scan.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("size", [(20, 20), (21, 20), (20, 21)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_checked_size_is_upright(size: tuple[int, int], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.new("RGB", size), "JPEG", exif=exif)
    assert checked_size(data) == decode(data).size


def test_the_limit_is_inclusive() -> None:
    data = flat("RGB", RED, "PNG")
    assert decode(data, max_pixels=192).size == (16, 12)
    with pytest.raises(TooManyPixelsError, match="16×12 pixels; the limit is 191"):
        decode(data, max_pixels=191)


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


@pytest.mark.parametrize("kind", FORMATS)
def test_the_media_type_is_told_from_the_bytes(kind: str) -> None:
    assert media_type(encode(Image.new("RGB", (4, 4)), kind)) == f"image/{kind.lower()}"


def test_bytes_of_no_picture_have_no_media_type_of_one() -> None:
    for data in (b"", b"RIFF....WAVE", b"<svg/>"):
        assert media_type(data) == "application/octet-stream"


def test_a_picture_as_an_address() -> None:
    assert data_uri(b"\x89PNG....") == "data:image/png;base64,iVBORy4uLi4="
    assert data_uri(b"RIFF....WEBP").startswith("data:image/webp;base64,UklGRi4u")


def test_a_large_jpeg_without_its_end_marker_is_reduced_as_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "WHOLE_PIXELS", 1000)
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 60).convert("RGB").save(buffer, "JPEG")
    assert decode(buffer.getvalue()).size == (16, 16)
    assert decode(buffer.getvalue()[:-2]).size == (16, 16)


def test_a_picture_in_memory_is_copied_and_turned_by_what_was_set_on_it() -> None:
    picture = Image.new("RGB", (4, 2), "red")
    found = as_image(picture)
    assert found is not picture
    picture.getexif()[ExifTags.Base.Orientation] = 6
    assert as_image(picture).size == (2, 4)
