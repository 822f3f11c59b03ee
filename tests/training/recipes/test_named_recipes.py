"""The recipe `cpu-fast`: Muon for convolutions, the whitened network, options that win over it."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from interpret.bundle.bundle import Bundle
from tests.training.commands.command_line import dpnp
from tests.training.conftest import quick_config
from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.batches import batches
from training.data.datasets import DataSet
from training.model.networks import build_network
from training.recipes.named_recipes import RECIPES, recipe
from training.run import checkpoint
from training.run.loop import train
from training.run.optimizers import ConvMuon, optimizer_for
from training.run.preparation import channel_statistics, whiten_


def fast_network(**changes: object):
    config = quick_config(backbone="fast", **changes)
    return build_network(config, 10, 16, ([100.0] * 3, [50.0] * 3)), config


def test_every_recipe_is_a_configuration():
    for options in RECIPES.values():
        TrainConfig.of(data="digits", **options)
    with pytest.raises(ConfigError, match="--recipe slow: not one of cpu-fast"):
        recipe("slow")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_a_convolution_as_torch_moves_its_matrix(layout: torch.memory_format):
    generator = torch.Generator().manual_seed(0)
    start, gradient = (torch.randn(8, 4, 3, 3, generator=generator) for _ in range(2))
    weight = torch.nn.Parameter(start.clone(memory_format=layout))
    ours = ConvMuon([weight], lr=0.1)
    rows = (lambda t: t.permute(0, 2, 3, 1)) if layout is torch.channels_last else (lambda t: t)
    matrix = torch.nn.Parameter(rows(start).reshape(8, -1).clone())
    torchs = torch.optim.Muon([matrix], lr=0.1, weight_decay=0.05, momentum=0.6)
    for scale in (1.0, -0.5):
        weight.grad, matrix.grad = scale * gradient, scale * rows(gradient).reshape(8, -1)
        ours.step()
        torchs.step()
    assert torch.equal(rows(weight).reshape(8, -1), matrix)
    ours.zero_grad()
    assert weight.grad is None
    before = weight.detach().clone()
    ours.step()
    assert torch.equal(weight, before)  # without a gradient it stands still


def test_muon_takes_every_convolution_but_the_whitening():
    network, config = fast_network(optimizer="muon")
    network.to(memory_format=torch.channels_last)
    rest, muon = optimizer_for(network, config).parts
    counted = [
        sum(p.numel() for g in part.param_groups for p in g["params"]) for part in (rest, muon)
    ]
    convolutions = sum(p.numel() for p in network.parameters() if p.ndim == 4 and p.requires_grad)
    others = sum(p.numel() for p in network.parameters() if p.ndim != 4 and p.requires_grad)
    assert counted == [others, convolutions]
    assert not network.backbone.whitening.weight.requires_grad


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


def test_a_killed_run_with_muon_goes_on_bit_for_bit(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = quick_config(backbone="fast", optimizer="muon", epochs=2)
    whole = train(config, digits, tmp_path / "whole")
    save = checkpoint.save

    def killed(*arguments: object) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, digits, tmp_path / "cut")
    monkeypatch.undo()
    resumed = train(config, digits, tmp_path / "cut", resume=True)
    other = resumed.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in whole.state_dict().items())


def test_options_win_over_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code = dpnp(
        *("train", "--data", "digits", "--recipe", "cpu-fast", "--embedding-dim", 3),
        *("--epochs", 2, "--batch-size", 100, "--lambda-pos", 0.01, "--out", "models/fast"),
        monkeypatch=monkeypatch,
    )
    assert code == 0
    bundle = Bundle.load("models/fast")
    training = bundle.manifest.training
    assert (training["epochs"], training["lambda_pos"]) == (2, 0.01)
    assert (training["optimizer"], bundle.manifest.backbone) == ("muon", "fast")
    assert bundle.manifest.metrics.accuracy > 0.9
