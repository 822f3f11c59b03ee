"""Passes over whole splits, against the same sums over the pictures as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.conftest import quick_config
from training.data.splits import DataSet
from training.run.accelerator import accelerator_for
from training.run.epoch_end import class_means, valid_figures
from training.run.loop import train
from training.run.preparation import prepare


def embedded(network: torch.nn.Module, split) -> torch.Tensor:
    pixels = torch.from_numpy(split.pixels(16, "")).permute(0, 3, 1, 2)
    with torch.no_grad():
        return network(pixels).embedding


def test_class_means_are_the_whole_training_splits(digits: DataSet):
    config = quick_config(method="sccl")
    run = prepare(config, digits, accelerator_for(config), workers=0)
    split = digits.splits["train"]
    means = class_means(run)
    embedding = embedded(run.network, split)
    for label in range(10):
        own = embedding[torch.from_numpy(np.flatnonzero(split.labels == label))]
        torch.testing.assert_close(means[label], own.mean(0), rtol=1e-4, atol=1e-4)


def test_accuracy_is_the_share_of_the_whole_valid_split(uninterrupted, digits: DataSet):
    config = quick_config()
    run = prepare(config, digits, accelerator_for(config), workers=0)
    run.network.load_state_dict(uninterrupted[0].state_dict())
    split = digits.splits["valid"]
    answers = run.network.eval().head.logits(embedded(run.network, split)).argmax(1).numpy()
    assert valid_figures(run).accuracy == pytest.approx((answers == split.labels).mean())


def test_without_a_valid_split_there_is_no_accuracy(digits: DataSet):
    data = DataSet("no valid", digits.class_names, {"train": digits.splits["train"]}, 16)
    config = quick_config()
    run = prepare(config, data, accelerator_for(config), workers=0)
    assert valid_figures(run) is None


def test_centres_end_as_class_means_on_the_sphere(digits: DataSet, tmp_path: Path):
    """SCCL takes the means after every other epoch, the last included."""
    network = train(quick_config(method="sccl", epochs=2), digits, tmp_path)
    split = digits.splits["train"]
    embedding, labels = embedded(network, split), torch.from_numpy(split.labels)
    means = torch.stack([embedding[labels == j].mean(0) for j in range(10)])
    expected = 40 * F.normalize(means)
    torch.testing.assert_close(network.head.prototypes, expected, rtol=1e-4, atol=1e-3)
