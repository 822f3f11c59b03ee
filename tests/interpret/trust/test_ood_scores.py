"""Scores of strange pictures, by hand and on the toy, whose embedding is the mean colour."""

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Predictor
from interpret.trust.ood_scores import (
    RIVALS,
    GalleryStatistics,
    auroc,
    average_precision,
    compare,
    noise,
    passed,
    scores,
    verdict_shares,
)


def test_auroc_by_hand():
    assert auroc(np.array([2.0, 3]), np.array([0.0, 1])) == 1
    assert auroc(np.array([0.0]), np.array([1.0, 2])) == 0
    assert auroc(np.array([1.0, 3]), np.array([1.0, 2])) == (0.5 + 0 + 1 + 1) / 4


def test_average_precision_and_what_passes_by_hand():
    usual = np.arange(1.0, 21)  # 95 % of them are at most 19
    assert passed(np.array([18.0, 19, 19.5, 30]), usual) == 0.5
    assert average_precision(np.array([25.0, 30]), usual) == 1
    # The strange one is third of four: a third of what is found by then is right.
    assert average_precision(np.array([2.0]), np.array([1.0, 3, 4])) == pytest.approx(1 / 3)


def test_every_score_is_larger_for_black_than_for_a_pure_colour(toy_bundle: Bundle):
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    pictures[0, ..., 0] = 255  # red, on its prototype; the other is black, of no class
    found = scores(Predictor(toy_bundle)(pictures, evidence=True), GalleryStatistics.of(toy_bundle))
    assert set(RIVALS) < set(found)
    del found["k-th neighbour"]  # of a gallery of six, the farthest
    for name, (red, black) in found.items():
        assert black > red, name
    assert found["distance"].tolist() == pytest.approx([0, 1])
    # Up to the constant α²/2 of the logits.
    assert found["energy"][1] == pytest.approx(0.5 - np.log(3), abs=1e-6)
    assert found["energy"][0] == pytest.approx(0.5 - np.log(np.e + 2), abs=1e-6)
    assert found["faint evidence"].tolist() == pytest.approx([-1, 0])
    # A class's usual distance: 0 and 0.5 in the gallery, so 0.25.
    assert found["class-wise distance"][1] == pytest.approx(4)


def test_compare_and_noise(toy_bundle: Bundle):
    pictures = noise(4, 60)
    assert (pictures.shape, pictures.dtype) == ((60, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(pictures, noise(4, 60))
    predictor, reference = Predictor(toy_bundle), GalleryStatistics.of(toy_bundle)
    pure = np.zeros((3, 4, 4, 3), np.uint8)
    for c in range(3):
        pure[c, ..., c] = 255
    usual, strange = (predictor(p, evidence=True) for p in (pure, pictures))
    found = compare(scores(usual, reference), strange, reference, toy_bundle.manifest, "noise")
    assert (found.data, found.examples) == ("noise", 60)
    assert found.auroc["distance"] == found.auroc["class-wise distance"] == 1
    assert found.average_precision is not None
    assert found.passed is not None
    assert (found.average_precision["distance"], found.passed["distance"]) == (1, 0)
    assert found.verdicts is not None
    assert sum(found.verdicts.values()) == pytest.approx(1)
    assert found.verdicts == verdict_shares(strange, toy_bundle.manifest)
    assert verdict_shares(usual, toy_bundle.manifest)["accept"] == 1
