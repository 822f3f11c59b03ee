"""Pictures in the square input, and the square on the pictures, by hand."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.manifest import Fit
from interpret.model.fitting import fit_square, in_words, shown_rectangle
from interpret.model.images import Preprocessing
from tests.conftest import toy_manifest

FITS: tuple[Fit, ...] = get_args(Fit)
NOISE = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
RED, GREEN, BLUE, WHITE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128,) * 3
WIDE = np.array([[RED, GREEN, BLUE, WHITE]] * 2, np.uint8)  # 4×2: columns of one colour


@pytest.mark.parametrize("fit", FITS)
def test_a_square_of_the_right_size_is_untouched(fit: Fit) -> None:
    np.testing.assert_array_equal(fit_square(Image.fromarray(NOISE), 30, fit), NOISE)


@pytest.mark.parametrize("size", [8, 17, 64])
def test_a_square_picture_is_the_same_by_each(size: int) -> None:
    crop, letterbox, squash = (fit_square(Image.fromarray(NOISE), size, fit) for fit in FITS)
    np.testing.assert_array_equal(crop, letterbox)
    np.testing.assert_array_equal(crop, squash)


def test_the_largest_centred_square() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = NOISE[:10, :10]
    np.testing.assert_array_equal(fit_square(Image.fromarray(wide), 10), NOISE[:10, :10])
    tall = wide.transpose(1, 0, 2).copy()
    expected = NOISE[:10, :10].transpose(1, 0, 2)
    np.testing.assert_array_equal(fit_square(Image.fromarray(tall), 10), expected)


def test_four_by_two_pixels_by_each_fit() -> None:
    wide = Image.fromarray(WIDE)
    np.testing.assert_array_equal(fit_square(wide, 2, "crop"), [[GREEN, BLUE]] * 2)
    boxed = fit_square(wide, 4, "letterbox")
    np.testing.assert_array_equal(boxed[1:3], WIDE)
    np.testing.assert_array_equal(boxed[[0, 3]], [[GREY] * 4] * 2)
    squashed = fit_square(wide, 4, "squash")
    np.testing.assert_array_equal(squashed, [[RED, GREEN, BLUE, WHITE]] * 4)
    tall = fit_square(Image.fromarray(WIDE.transpose(1, 0, 2).copy()), 4, "letterbox")
    np.testing.assert_array_equal(tall, boxed.transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("fit", "original", "size", "expected"),
    [
        ("crop", (4, 2), 8, (1, 0, 3, 2)),
        ("crop", (2, 4), 8, (0, 1, 2, 3)),
        ("crop", (3, 2), 8, (0.5, 0, 2.5, 2)),
        ("squash", (4, 2), 8, (0, 0, 4, 2)),
        ("letterbox", (4, 2), 8, (0, -1, 4, 3)),
        ("letterbox", (2, 4), 8, (-1, 0, 3, 4)),
        # 3 of 4 rows hold the picture: the odd row of border is the lowest one.
        ("letterbox", (4, 3), 4, (0, 0, 4, 4)),
        # Of a line, one row in 3: it is 1 pixel high, and shown 3 times as large as it should be.
        ("letterbox", (9, 1), 3, (0, -1, 9, 2)),
    ],
)
def test_where_the_square_lies_on_the_original(
    fit: Fit, original: tuple[int, int], size: int, expected: tuple[float, ...]
) -> None:
    assert shown_rectangle(original, size, fit) == expected
    shown = Preprocessing.of(toy_manifest(input_size=size, fit=fit)).shown
    assert shown(Image.new("RGB", original)) == expected


@pytest.mark.parametrize("fit", FITS)
def test_a_mark_is_found_again_where_the_rectangle_says(fit: Fit) -> None:
    picture = Image.new("RGB", (90, 60))
    picture.paste(WHITE, (40, 20, 50, 30))  # its centre is (45, 25)
    pixels = fit_square(picture, 30, fit).astype(float).mean(2)
    pixels[pixels == GREY[0]] = 0  # the border
    left, top, right, bottom = shown_rectangle(picture.size, 30, fit)
    centres = (np.arange(30) + 0.5) / 30
    x = left + (right - left) * centres @ pixels.sum(0) / pixels.sum()
    y = top + (bottom - top) * centres @ pixels.sum(1) / pixels.sum()
    assert (x, y) == pytest.approx((45, 25), abs=0.1)


def test_shrinking_is_antialiased() -> None:
    # A checkerboard of single pixels becomes even grey; without the filter it would be 0 or 255.
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = fit_square(Image.fromarray(board).convert("RGB"), 8)
    assert small.dtype == np.uint8
    assert np.abs(small.astype(int) - 127).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (7, 999)])
@pytest.mark.parametrize("side", [1, 4, 224])
@pytest.mark.parametrize("fit", FITS)
def test_extreme_shapes(size: tuple[int, int], side: int, fit: Fit) -> None:
    pixels = fit_square(Image.new("RGB", size, RED), side, fit)
    assert pixels.shape == (side, side, 3)
    red = (pixels == RED).all(2)
    assert red.all() if fit != "letterbox" else red.any()
    assert (pixels[~red] == GREY).all()


def test_a_manifest_without_a_fit_is_of_the_centred_square() -> None:
    assert toy_manifest().fit == "crop"
    assert Preprocessing.of(toy_manifest()) == Preprocessing(4, "crop")
    assert in_words("crop") == (
        "RGB, 8 bits; EXIF orientation applied; transparency over white; the largest centred "
        "square, resized to the input size with an antialiased bilinear filter"
    )
    assert "grey 128 with an antialiased" in in_words("letterbox")
