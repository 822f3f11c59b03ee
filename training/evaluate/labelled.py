"""Labelled pictures as a bundle sees them."""

from __future__ import annotations

import numpy as np

from interpret.bundle.bundle import Bundle
from training.data.datasets import DataSet


def labels_in(bundle: Bundle, data: DataSet, split: str) -> np.ndarray:
    """The split's labels in the bundle's order of classes."""
    index = np.array([bundle.class_index(name) for name in data.class_names])
    labels: np.ndarray = index[data.splits[split].labels]
    return labels
