"""Pictures of many pixels: read at a half, a quarter, or not at all."""

import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.errors import TooManyPixelsError
from interpret.model import images
from interpret.model.images import checked_size, decode, open_image
from tests.interpret.model.encoded_pictures import encode
from tests.interpret.model.forged_pictures import png_header


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


def test_the_limit_is_inclusive() -> None:
    data = encode(Image.new("RGB", (16, 12)), "PNG")
    assert decode(data, max_pixels=192).size == (16, 12)
    with pytest.raises(TooManyPixelsError, match="16×12 pixels; the limit is 191"):
        decode(data, max_pixels=191)


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


def test_a_large_jpeg_without_its_end_marker_is_reduced_as_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "WHOLE_PIXELS", 1000)
    data = encode(Image.effect_noise((64, 64), 60).convert("RGB"), "JPEG")
    assert decode(data).size == decode(data[:-2]).size == (16, 16)
