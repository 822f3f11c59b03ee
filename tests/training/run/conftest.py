"""Data for runs of a moment."""

import numpy as np
import pytest

from training.data.splits import DataSet


@pytest.fixture(scope="session")
def few_digits(digits: DataSet) -> DataSet:
    """Ninety-six pictures a split, at most, of 16 pixels."""
    few = {name: split.subset(np.arange(96)) for name, split in digits.splits.items()}
    return DataSet("few", digits.class_names, few, image_size=16, flip=False)
