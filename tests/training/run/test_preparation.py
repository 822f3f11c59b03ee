"""What the data decides before the first step: statistics, whitening, who gets which prototype."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.conftest import quick_config
from training.config.errors import ConfigError
from training.data.batches import Resident, batches
from training.data.splits import DataSet
from training.model.networks import build_network
from training.run.accelerator import accelerator_for
from training.run.preparation import (
    assign_prototypes,
    channel_statistics,
    load_batches,
    prepare,
    thumbnails,
    whiten_,
    with_changes,
)

CPU = torch.device("cpu")


def test_channel_statistics_are_those_of_the_pixels(digits: DataSet):
    split = digits.splits["valid"]
    pixels = split.pixels(16, "").astype(np.float64)
    mean, std = channel_statistics(Resident(split, 16, "", CPU), len(split))
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)))
    np.testing.assert_allclose(std, pixels.std((0, 1, 2)))


def test_whitened_patches_are_uncorrelated(digits: DataSet):
    train_batches = batches(digits.splits["train"], 16, "", 0, torch.device("cpu"))
    examples = len(digits.splits["train"])
    config = quick_config(backbone="fast")
    network = build_network(config, 10, 16, channel_statistics(train_batches, examples))
    whiten_(network, train_batches, examples)
    (pixels, _), *_ = train_batches([torch.arange(examples)])
    layer = network.backbone.whitening
    with torch.no_grad():
        scaled = (pixels.float() - network.mean) / network.std
        out = F.conv2d(scaled, layer.weight, stride=layer.stride).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(out[:12], -out[12:], atol=1e-4)
    covariance = out[:12] @ out[:12].T / out.shape[1]
    strong = covariance.diagonal() > 0.5  # grey pictures: of 12 directions, 4 carry anything
    assert strong.sum() == 4
    assert torch.allclose(covariance[strong][:, strong], torch.eye(4), atol=0.05)


def test_a_constant_channel_does_not_blow_up():
    black = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    mean, std = channel_statistics(lambda rows: iter([(black, torch.zeros(1))]), 1)
    assert (mean, std) == ([0.0] * 3, [1.0] * 3)


def test_thumbnails_are_means_of_8_by_8_parts():
    pixels = torch.arange(256.0).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    small = thumbnails(pixels.to(torch.uint8))
    assert small.shape == (1, 3, 8, 8)
    assert small[0, 0, 0, 0] == (0 + 1 + 16 + 17) / 4


def test_augmentation_starts_from_pictures_a_little_larger_than_its_crops(digits: DataSet):
    for size, source in ((16, 16), (64, 64), (70, 80)):
        train, valid = load_batches(digits, size, 0, CPU)
        sides = [next(part([torch.arange(2)]))[0].shape[-1] for part in (train, valid)]
        assert sides == [source, size]


def test_look_alike_classes_get_neighbouring_prototypes(digits: DataSet):
    """The packing stays; descriptions put even digits in one direction, odd ones in the other."""
    train = Resident(digits.splits["train"], 16, "", CPU)
    network = build_network(quick_config(), 10, 16, ([0.0] * 3, [1.0] * 3))
    before = network.head.prototypes.detach().clone()
    examples = len(digits.splits["train"])
    parity = iter(digits.splits["train"].labels.reshape(-1) % 2)

    def describe(pixels: torch.Tensor) -> torch.Tensor:
        odd = torch.tensor([float(next(parity)) for _ in pixels])
        return torch.stack([odd, 1 - odd, torch.linspace(0, 1e-3, len(odd))], 1)

    assign_prototypes(network, train, examples, 0, describe)
    after = network.head.prototypes.detach()
    assert sorted(map(tuple, before.tolist())) == sorted(map(tuple, after.tolist()))
    even, odd = after[::2].mean(0), after[1::2].mean(0)
    assert F.cosine_similarity(even, odd, dim=0) < -0.9  # two halves of the sphere


def test_a_class_without_pictures_in_the_sample_is_named(digits: DataSet):
    some = digits.splits["train"].subset(np.flatnonzero(digits.splits["train"].labels < 7))
    network = build_network(quick_config(), 10, 16, ([0.0] * 3, [1.0] * 3))
    with pytest.raises(ConfigError, match=r"--prototype-init similarity: 3 classes have too few"):
        assign_prototypes(network, Resident(some, 16, "", CPU), len(some), 0)


def test_a_run_is_prepared_as_configured(digits: DataSet):
    config = quick_config(auxiliary=1.0, accumulate=2)
    run = prepare(config, digits, accelerator_for(config), workers=0)
    assert (run.plan.steps, run.plan.batch) == (1259 // 32 + 1, 32)
    assert run.network.auxiliary is not None
    assert run.network_and_loss.auxiliary_weight == 1.0
    assert run.augment.size == 16
    assert not run.augment.flip
    assert run.teachers is None
    assert (len(run.train_labels), run.valid_size) == (1259, 179)
    seeded = build_network(config, 10, 16, channel_statistics(run.train, 1259))
    for (name, a), b in zip(run.network.named_parameters(), seeded.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_a_share_of_the_training_pictures_is_changed(digits: DataSet):
    """The same ones in the same way each time, and none that training is checked on."""
    found, again = (with_changes(digits, 0.5, 3) for _ in range(2))
    before = digits.splits["train"].pixels(16, "")
    after, twice = (data.splits["train"].pixels(16, "") for data in (found, again))
    np.testing.assert_array_equal(after, twice)
    changed = (before != after).any((1, 2, 3)).mean()
    assert 0.2 < changed < 0.5  # not every change is seen in a grey picture of 8 pixels
    assert np.abs(before.astype(int) - after).mean() < 20  # small changes
    assert found.splits["valid"] is digits.splits["valid"]
    run = prepare(quick_config(changes=1.0), digits, accelerator_for(quick_config(), None), 0)
    ((pixels, _),) = run.train([torch.arange(len(before))])
    assert (pixels.permute(0, 2, 3, 1).numpy() != before).any((1, 2, 3)).mean() > 0.4
