"""Copies among pictures that are known."""

import hashlib

import numpy as np
import pytest

from interpret.trust.copies import Looks, copies, near_duplicates, signature


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def looks(shown: np.ndarray, files: dict[int, int] | None = None) -> Looks:
    """Of pictures of 16 pixels; `files` gives some rows the digest of a file."""
    return Looks(
        signature(shown),
        [hashlib.sha256(each.tobytes()).hexdigest() for each in shown],
        [(files or {}).get(row) for row in range(len(shown))],
    )


def test_exact_copies_come_first_and_say_what_is_the_same():
    shown = pictures(6)
    shown[3], shown[5] = shown[0], shown[1]
    found = copies(looks(shown, {0: 7, 3: 7, 1: 8, 5: 9}))
    assert [(c.first, c.second, c.likeness) for c in found] == [
        (0, 3, "same file"),
        (1, 5, "same pixels"),
    ]


@pytest.mark.parametrize("value", [0, 90, 255])
def test_constant_copies_are_found_however_many(value: int):
    shown = np.concatenate([pictures(2), np.full((12, 16, 16, 3), value, np.uint8)])
    found = copies(looks(shown))
    assert [(c.first, c.second) for c in found] == [(2, other) for other in range(3, 14)]


def test_faint_copies_are_found_and_others_as_faint_are_not_alike():
    faint = 128 + pictures(3) // 100  # values from 128 to 130: no signature
    assert not signature(faint).any()
    found = copies(looks(np.concatenate([faint, faint[:1]])))
    assert [(c.first, c.second) for c in found] == [(0, 3)]


def test_a_near_duplicate_is_paired_with_one_of_a_group_of_copies():
    shown = pictures(10)
    shown[1:8] = shown[0]
    shown[9] = (shown[0] * 0.6).astype(np.uint8)
    found = copies(looks(shown))
    assert len([c for c in found if c.likeness == "same pixels"]) == 7
    near = [c for c in found if c.likeness == "nearly the same"]
    assert [(c.first, c.second) for c in near] == [(0, 9)]
    assert near[0].correlation == pytest.approx(1, abs=1e-3)


def test_near_duplicates_are_found_whatever_their_brightness():
    originals = pictures(30)
    darker = (originals[7] * 0.6).astype(np.uint8)
    flat = np.full((2, 16, 16, 3), 90, np.uint8)  # alike, but of nothing
    found = near_duplicates(signature(np.concatenate([originals, darker[None], flat])))
    assert [(a, b) for a, b, _ in found] == [(7, 30)]


def test_no_picture_and_one_have_no_copy():
    assert copies(Looks(np.zeros((0, 768), np.float32), [], [])) == []
    assert copies(looks(pictures(1))) == []
