"""Rows of a data set without splits of its own, parted into some."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.config.errors import DataError


def stratified(labels: NDArray[np.int64], seed: int) -> dict[str, NDArray[np.int64]]:
    """Rows of a seeded 70/10/20 split into train, valid and test, with every class in each.

    A class of fewer than 3 pictures is in train alone. Raises DataError when all are that small.
    """
    counts = np.bincount(labels)
    if counts.max() < 3:
        raise DataError(
            "no class has 3 pictures, one each to train on, to validate and to test: add some"
        )
    rows = np.arange(len(labels))
    parts: dict[str, list[NDArray[np.int64]]] = {"train": [], "valid": [], "test": []}
    generator = np.random.default_rng(seed)
    for label in range(len(counts)):
        own = generator.permutation(rows[labels == label])
        enough = len(own) >= 3
        test, valid = (max(1, round(share * len(own))) if enough else 0 for share in (0.2, 0.1))
        parts["test"].append(own[:test])
        parts["valid"].append(own[test : test + valid])
        parts["train"].append(own[test + valid :])
    return {name: np.sort(np.concatenate(chunks)) for name, chunks in parts.items()}


def copies_together(
    parts: dict[str, NDArray[np.int64]], labels: NDArray[np.int64], digests: NDArray[np.uint64]
) -> dict[str, NDArray[np.int64]]:
    """The parts with the copies of a picture in one of them: in train if any of them is there.

    A picture that is trained on and tested too would make the test too easy. Copies are rows of
    one label and one digest. A class that has little else stays as it is: it would be in no test.
    """
    names = sorted(parts, key=lambda name: name != "train")
    part = np.zeros(len(labels), np.int64)
    for i, name in enumerate(names):
        part[parts[name]] = i
    moved = part.copy()
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        _, groups = np.unique(digests[own], return_inverse=True)
        first = np.full(groups.max() + 1, len(names))
        np.minimum.at(first, groups, part[own])
        if set(first[groups]) == set(part[own]):
            moved[own] = first[groups]
    return {name: np.flatnonzero(moved == i) for i, name in enumerate(names)}
