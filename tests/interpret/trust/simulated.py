"""Predictions of a model that is known in full, and a calibration found on them."""

import numpy as np

from interpret.bundle.calibration_record import Calibration
from interpret.model.predictor import Prediction
from interpret.trust.calibration import calibrate

NAMES = ["a", "b", "c"]


def simulated(count: int, seed: int, spread: float = 0.45):
    """Pictures of three classes on a line, at 0, 2 and 4, and what a model says of them."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    places = 2 * labels + spread * generator.standard_normal(count)
    away = np.abs(places[:, None] - np.array([0, 2, 4]))
    powers = np.exp(-(away**2) / 2)
    probabilities = powers / powers.sum(1, keepdims=True)
    embedding = places[:, None].astype(np.float32)
    usual = np.zeros(count, np.float32)
    return Prediction(embedding, away, probabilities, None, usual), labels


def calibration(**changes: object) -> Calibration:
    """A calibration of three classes, for manifests; `changes` replaces fields of it. Where they
    name `min_margin` alone it is that of an earlier release.
    """
    held_out, labels = simulated(300, 5)
    if "min_margin" in changes:
        changes = {"rival_margin": None} | changes
    return calibrate(held_out, labels, NAMES, "valid").model_copy(update=changes)
