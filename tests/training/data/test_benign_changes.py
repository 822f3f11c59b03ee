"""Benign changes, by hand on small pictures."""

import numpy as np
import pytest
from PIL import Image

from training.data.benign_changes import (
    NAMED,
    blurred,
    changed,
    compressed,
    from_larger,
    lit,
    random_change,
    randomly_changed,
    shifted,
)
from training.data.datasets import load_data


def grey(value: int, side: int = 32) -> Image.Image:
    return Image.new("RGB", (side, side), (value,) * 3)


def test_light():
    assert np.unique(np.asarray(lit(grey(100), 1.2, 1, 1))).tolist() == [120]
    assert np.unique(np.asarray(lit(grey(100), 0.8, 1, 1))).tolist() == [80]
    red = Image.new("RGB", (2, 2), (200, 100, 100))
    pale = np.asarray(lit(red, 1, 1, 0.8))[0, 0].astype(int)
    assert pale[0] - pale[1] == pytest.approx(80, abs=2)


def test_a_shift_moves_to_the_right_and_down_and_mirrors_the_border():
    pixels = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)[..., None].repeat(3, 2)
    moved = np.asarray(shifted(Image.fromarray(pixels), 1 / 16, -1 / 32))
    np.testing.assert_array_equal(moved[:-1, 2:], pixels[1:, :-2])
    np.testing.assert_array_equal(moved[:-1, 1], pixels[1:, 0])


def test_what_blur_size_and_formats_do_to_an_edge():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 15:] = 255
    edge = Image.fromarray(pixels)
    for change in (
        blurred(edge, 1 / 64),
        from_larger(edge, 2),
        compressed(edge, "JPEG", 60),
    ):
        found = np.asarray(change).astype(int)
        assert found.shape == (32, 32, 3)
        assert 0 < np.abs(found - pixels).mean() < 20
        assert np.abs(found[:, :8]).max() < 50
        assert found[:, -8:].min() > 205


def test_webp_loses_a_little_of_noise():
    noise = Image.effect_noise((32, 32), 60).convert("RGB")
    found = np.asarray(compressed(noise, "WEBP", 60)).astype(int)
    assert 1 < np.abs(found - np.asarray(noise)).mean() < 30


def test_every_named_change_keeps_the_size():
    picture = Image.effect_noise((40, 24), 60).convert("RGB")
    for name, change in NAMED.items():
        assert change(picture).size == (40, 24), name
    assert NAMED["as it is"](picture) is picture


def test_random_changes_depend_on_seed_and_row_alone():
    split = load_data("digits").splits["test"].subset(np.arange(12))
    first = randomly_changed(split, 1).pixels(32, "")
    np.testing.assert_array_equal(randomly_changed(split, 1).pixels(32, ""), first)
    rows = np.array([7, 3])
    part = randomly_changed(split, 1).subset(rows).pixels(32, "")
    np.testing.assert_array_equal(part, first[rows])
    assert (randomly_changed(split, 2).pixels(32, "") != first).any()
    some = randomly_changed(split, 1, np.arange(12) % 2 == 1).pixels(32, "")
    np.testing.assert_array_equal(some[::2], split.pixels(32, "")[::2])
    np.testing.assert_array_equal(some[1::2], first[1::2])


def test_a_random_change_is_mild():
    picture = grey(100)
    for seed in range(40):
        found = np.asarray(random_change(picture, np.random.default_rng(seed))).astype(int)
        assert np.abs(found - 100).max() <= 21


def test_a_split_under_a_change():
    split = load_data("digits").splits["test"].subset(np.arange(3))
    dark = changed(split, NAMED["brightness −20 %"])
    for row in range(3):
        expected = np.asarray(split.open_picture(row)) * 0.8
        np.testing.assert_allclose(np.asarray(dark.open_picture(row)), expected, atol=1)
    assert dark.labels.tolist() == split.labels.tolist()
