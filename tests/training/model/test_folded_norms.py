"""Frozen norms folded into their convolutions: the same function, the same gradients."""

import copy

import pytest
import torch
from torch import Tensor, nn

from training.model.backbones import backbone
from training.model.folded_norms import fold_norms_, unfold_norms_
from training.run.step import freeze_norms


def with_statistics(network: nn.Module) -> nn.Module:
    """Norms as after a training: none has its first mean, variance, scale or shift."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias, std=0.3)
    return network.double()


def gradients(network: nn.Module, pixels: Tensor) -> tuple[Tensor, list[Tensor | None]]:
    """Outputs and gradients; float64, so that rounding moves no value over the edge of a ReLU."""
    network.train()
    freeze_norms(network)
    outputs = network(pixels.double())
    outputs.square().mean().backward()
    return outputs, [parameter.grad for parameter in network.parameters()]


@pytest.mark.parametrize(
    ("name", "folded"),
    [("timm:tf_efficientnet_lite0", 49), ("timm:resnet18", 20), ("timm:mobilenetv3_small_050", 34)],
)
def test_outputs_and_gradients_are_the_same(name: str, folded: int):
    plain = with_statistics(backbone(name, 64))
    network = copy.deepcopy(plain)
    assert fold_norms_(network.float(), 64) == folded
    network.double().load_state_dict(plain.state_dict())  # what `float` has rounded
    pixels = torch.randn(2, 3, 64, 64)
    (expected, their), (found, ours) = gradients(plain, pixels), gradients(network, pixels)
    torch.testing.assert_close(found, expected)
    for ours_, theirs in zip(ours, their, strict=True):
        torch.testing.assert_close(ours_, theirs)


def test_the_state_stays_and_unfolding_gives_the_network_back():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    names = list(network.state_dict())
    assert fold_norms_(network, 8) == 1
    assert list(network.state_dict()) == names
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin[0].weight.zero_()
    assert network(torch.ones(1, 3, 8, 8)).abs().sum() > 0  # the copy folds its own layers
    unfold_norms_(network)
    network.train()
    network(torch.ones(2, 3, 8, 8))
    assert network[1].num_batches_tracked == 1  # the norm works by itself again


class Doubling(nn.Module):
    """Does more between convolution and norm than its modules tell."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).mul_(2))


class Shared(nn.Module):
    """Norms the same convolution twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norms = nn.Conv2d(3, 4, 1), nn.ModuleList([nn.BatchNorm2d(4) for _ in "ab"])

    def forward(self, x: Tensor) -> Tensor:
        return self.norms[0](self.conv(x)) + self.norms[1](self.conv(x))


@pytest.mark.parametrize("network", [Doubling(), Shared()])
def test_what_would_change_the_answer_is_not_folded(network: nn.Module):
    pixels = torch.randn(2, 3, 8, 8)
    expected = network.eval()(pixels)
    assert fold_norms_(network, 8) == 0
    torch.testing.assert_close(network(pixels), expected)
