"""Embeddings around class centres in three dimensions, and what a figure says of them."""

import numpy as np
from matplotlib.figure import Figure

from interpret.figures.sphere_map import SphereData

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
AXES = np.array([[2.0, 0, 0], [0, 2, 0], [0, 0, 2]])


def small(**changes: object) -> SphereData:
    """Three classes on the three axes, with two samples each and one of zero length."""
    fields = {
        "embeddings": np.concatenate([AXES, 3 * AXES, np.zeros((1, 3))]),
        "labels": np.array([0, 1, 2, 0, 1, 2, 0]),
        "class_names": ["one", "two", "three"],
        "centres": AXES,
    }
    return SphereData(**(fields | changes))


def spiral(count: int) -> np.ndarray:
    """Unit vectors (count, 3), evenly over the sphere: a golden angle apart, downwards."""
    z = 1 - (2 * np.arange(count) + 1) / count
    around = np.arange(count) * np.pi * (3 - np.sqrt(5))
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(around), across * np.sin(around), z], axis=1)


def ten(samples: int = 2000) -> SphereData:
    """Ten classes far apart, with normal scatter and weights of their own."""
    rng = np.random.default_rng(0)
    centres = 40 * spiral(10)
    labels = rng.integers(0, 10, samples)
    scatter = rng.normal(0, 3, (samples, 3))
    weights = centres + rng.normal(0, 6, (10, 3))
    return SphereData(centres[labels] + scatter, labels, NAMES, centres, weights)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]
