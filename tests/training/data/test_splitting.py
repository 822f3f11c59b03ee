import numpy as np
import pytest

from training.config.errors import DataError
from training.data.splitting import copies_together, stratified


def test_stratified_is_70_10_20():
    labels = np.repeat([0, 1], [100, 50])
    parts = stratified(labels, seed=0)
    counts = {name: np.bincount(labels[rows]).tolist() for name, rows in parts.items()}
    assert counts == {"train": [70, 35], "valid": [10, 5], "test": [20, 10]}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(150))


def test_a_class_of_fewer_than_3_pictures_is_trained_on():
    labels = np.repeat([0, 1, 2], [10, 2, 1])
    parts = stratified(labels, seed=0)
    counts = {name: np.bincount(labels[r], minlength=3).tolist() for name, r in parts.items()}
    assert counts == {"train": [7, 2, 1], "valid": [1, 0, 0], "test": [2, 0, 0]}
    with pytest.raises(DataError, match="no class has 3 pictures"):
        stratified(np.array([0, 0, 1]), seed=0)


def test_copies_lie_in_one_part():
    parts = {"train": np.array([0, 1, 2]), "valid": np.array([3, 4]), "test": np.array([5, 6, 7])}
    digests = np.array([10, 11, 12, 10, 14, 14, 16, 12], np.uint64)
    labels = np.zeros(8, np.int64)
    found = {k: v.tolist() for k, v in copies_together(parts, labels, digests).items()}
    # 3 and 7 are copies of training pictures; 4 and 5 of each other: valid comes before test.
    assert found == {"train": [0, 1, 2, 3, 7], "valid": [4, 5], "test": [6]}


def test_copies_of_another_class_stay_and_so_does_a_class_that_has_nothing_else():
    parts = {"train": np.array([0, 2]), "valid": np.array([], np.int64), "test": np.array([1, 3])}
    digests = np.array([10, 11, 10, 10], np.uint64)
    labels = np.array([0, 0, 1, 1])
    found = {k: v.tolist() for k, v in copies_together(parts, labels, digests).items()}
    assert found == {"train": [0, 2], "valid": [], "test": [1, 3]}
