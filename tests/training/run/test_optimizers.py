"""Muon against torch's, and which parameters each optimizer moves at which rate."""

import pytest
import torch

from tests.training.conftest import quick_config
from training.model.networks import build_network
from training.run.optimizers import ConvMuon, optimizer_for


def fast_network(**changes: object):
    config = quick_config(backbone="fast", **changes)
    return build_network(config, 10, 16, ([100.0] * 3, [50.0] * 3)), config


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


def test_sgd_takes_layers_and_prototypes_at_their_own_rates():
    network, config = fast_network(lr=0.2, prototype_lr=0.05, weight_decay=0.001)
    layers, prototypes = optimizer_for(network, config).param_groups
    assert (layers["initial_lr"], layers["weight_decay"]) == (0.2, 0.001)
    assert (prototypes["initial_lr"], prototypes["weight_decay"]) == (0.05, 0.0)
    assert prototypes["params"] == [network.head.prototypes]
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert sum(p.numel() for g in (layers, prototypes) for p in g["params"]) == learned


def test_the_state_comes_back_in_every_part():
    """Two steps, or one, a copy of the state, and one more: the same weights."""
    results = []
    for interrupted in (False, True):
        network, config = fast_network(optimizer="muon")
        network.to(memory_format=torch.channels_last)
        optimizer = optimizer_for(network, config)
        for _ in range(2):
            for parameter in network.parameters():
                parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
            optimizer.step()
            if interrupted:
                state = optimizer.state_dict()
                optimizer = optimizer_for(network, config)
                optimizer.load_state_dict(state)
        results.append(network.state_dict())
    whole, cut = results
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
