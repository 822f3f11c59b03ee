"""Answers before and after a change, on numbers counted by hand."""

import numpy as np
import pytest

from training.evaluate.held_out import ClassChange, compare


def test_flips_are_counted_each_way():
    labels = np.array([0, 0, 0, 1, 1, 1])
    before = np.array([0, 1, 2, 1, 1, 0])
    after = np.array([0, 0, 1, 1, 0, 0])
    found = compare("test", labels, before, after, ["cat", "dog", "emu"])
    assert (found.before, found.after) == (0.5, 0.5)
    assert (found.righted, found.wronged, found.other) == (1, 1, 1)
    assert found.per_class == [
        ClassChange("cat", 3, pytest.approx(1 / 3), pytest.approx(2 / 3)),
        ClassChange("dog", 3, pytest.approx(2 / 3), pytest.approx(1 / 3)),
        ClassChange("emu", 0, None, None),
    ]
    assert found.pays is not None
    assert found.pays.label == "dog"


def test_nobody_pays_for_a_change_that_loses_nothing():
    labels = np.array([0, 1])
    assert compare("test", labels, np.array([0, 0]), labels, ["a", "b"]).pays is None
