"""A small network trained for a moment on the real digits, shared by the tests of training."""

from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from training.config.train_config import TrainConfig
from training.config.training_job import TrainingJob
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.export.bundle_export import export_bundle
from training.run.loop import train


@pytest.fixture(scope="session")
def digits() -> DataSet:
    return load_data("digits")


def quick_config(**changes: object) -> TrainConfig:
    """Three epochs of some two seconds; float32, so that sums can be compared."""
    options: dict[str, object] = {
        "data": "digits",
        "backbone": "small",
        "embedding_dim": 3,
        "image_size": 16,
        "epochs": 3,
        "precision": "fp32",
        "batch_size": 32,
        "lr": 0.05,
    }
    return TrainConfig.of(**(options | changes))


@pytest.fixture(scope="session")
def uninterrupted(digits: DataSet, tmp_path_factory: pytest.TempPathFactory):
    """The network of a quick run that nothing disturbed, and its folder."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return train(quick_config(), digits, folder), folder


@pytest.fixture(scope="session")
def trained_bundle(uninterrupted, digits, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path: Path = tmp_path_factory.mktemp("models") / "quick"
    return export_bundle(uninterrupted[0], TrainingJob(quick_config()), digits, path)
