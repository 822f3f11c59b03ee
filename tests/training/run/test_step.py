"""A training step and its parts, with numbers that can be computed by hand."""

import math

import pytest
import torch
from torch import nn

from tests.training.conftest import quick_config
from training.config.train_config import TrainConfig
from training.data.splits import DataSet
from training.model.methods import CenterLoss, method_of
from training.model.networks import PrototypeNetwork
from training.run.accelerator import accelerator_for
from training.run.optimizers import Optimizers
from training.run.preparation import prepare
from training.run.step import (
    NetworkAndLoss,
    Run,
    Targets,
    forget_gradients,
    set_rates,
    training_step,
)

# A network whose embedding is the mean red and green of a picture of 1×1 pixels.
PROTOTYPES = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
PIXELS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]).view(2, 3, 1, 1)
LABELS = torch.tensor([0, 1])
# h·c/α is (2, 0) and (0, 3); half the squared distances to the own prototypes are 0 and ½.
RIGHT = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-3))) / 2
WRONG = (math.log(1 + math.exp(2)) + math.log(1 + math.exp(3))) / 2
OWN, OTHER = 0.25, (8 + 13) / 4


class RedAndGreen(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2]


def network(method: str = "dpp", **options: object) -> PrototypeNetwork:
    config = TrainConfig.of(data="digits", method=method, radius=2.0, **options)
    found = PrototypeNetwork(RedAndGreen(), 1, None)
    found.head = method_of(config, 2, 2)
    with torch.no_grad():
        found.head.prototypes.copy_(PROTOTYPES)
    return found


def test_the_loss_of_a_batch_by_hand():
    terms, right = NetworkAndLoss(network(), 0.0)(PIXELS, Targets(LABELS), 0.1)
    assert terms["cross_entropy"].item() == pytest.approx(RIGHT)
    assert terms["positive"].item() == pytest.approx(OWN)
    assert terms["loss"].item() == pytest.approx(RIGHT + 0.1 * OWN)
    assert right == 2


def test_smoothed_labels_are_smoothed_for_the_wide_softmax_too():
    smooth = network(label_smoothing=0.5)
    smooth.auxiliary = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        smooth.auxiliary.weight.copy_(torch.eye(2))
    terms, _ = NetworkAndLoss(smooth, 1.0)(PIXELS, Targets(LABELS), 0.0)
    # Logits (2, 0) and (0, 3), and a quarter of each label at the other class.
    assert terms["auxiliary"].item() == pytest.approx(0.75 * RIGHT + 0.25 * WRONG)
    assert terms["loss"].item() == pytest.approx(2 * terms["auxiliary"].item())


@pytest.mark.parametrize(("share", "right"), [(0.75, 2), (0.25, 0)])
def test_a_mixed_batch_counts_both_labels_by_their_areas(share: float, right: int):
    targets = Targets(LABELS, others=LABELS.roll(1), share=share)
    terms, counted = NetworkAndLoss(network(), 0.0)(PIXELS, targets, 0.1)
    expected = share * (RIGHT + 0.1 * OWN) + (1 - share) * (WRONG + 0.1 * OTHER)
    assert terms["loss"].item() == pytest.approx(expected)
    assert counted == right  # by the labels of the larger share


def test_the_auxiliary_softmax_is_added_at_its_weight():
    whole = network()
    whole.auxiliary = nn.Linear(2, 2)
    with torch.no_grad():
        whole.auxiliary.weight.copy_(torch.eye(2))
        whole.auxiliary.bias.zero_()
    terms, _ = NetworkAndLoss(whole, 0.5)(PIXELS, Targets(LABELS), 0.0)
    assert terms["auxiliary"].item() == pytest.approx(RIGHT)  # the logits are the same here
    assert terms["loss"].item() == pytest.approx(RIGHT + 0.5 * RIGHT)


def test_soft_targets_count_in_both_cross_entropies():
    whole = network()
    whole.auxiliary = nn.Linear(2, 2)
    with torch.no_grad():
        whole.auxiliary.weight.copy_(torch.eye(2))
        whole.auxiliary.bias.zero_()
    targets = Targets(LABELS, soft=torch.full((2, 2), 0.5))
    terms, _ = NetworkAndLoss(whole, 0.5)(PIXELS, targets, 0.1)
    half = (RIGHT + WRONG) / 2
    assert terms["cross_entropy"].item() == pytest.approx(half)
    assert terms["auxiliary"].item() == pytest.approx(half)
    assert terms["loss"].item() == pytest.approx(1.5 * half + 0.1 * OWN, rel=1e-5)


def test_the_centre_loss_alone_needs_the_counts():
    """Its centres' gradient is (c − h) / (1 + n), by hand, whatever λ is."""
    whole = network("cl")
    assert isinstance(whole.head, CenterLoss)
    terms, _ = NetworkAndLoss(whole, 0.0)(PIXELS, Targets(LABELS, counts=torch.tensor([1, 1])), 0.1)
    terms["loss"].backward()
    expected = torch.tensor([[0.0, 0.0], [0.0, (2.0 - 3.0) / 2]])
    torch.testing.assert_close(whole.head.prototypes.grad, expected)


def test_rates_follow_the_factor_but_where_they_are_not_scheduled():
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    groups = [
        {"params": [a], "initial_lr": 0.2},
        {"params": [b], "initial_lr": 0.5, "scheduled": False},
    ]
    optimizer = Optimizers(torch.optim.SGD(groups, lr=1.0))
    for factor in (0.1, 0.01):
        set_rates(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == [0.2 * factor, 0.5]


def test_forgotten_gradients_let_layers_stand_still():
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    forget_gradients(layer, {"weight"})
    assert layer.weight.grad is None
    assert layer.bias.grad is not None


@pytest.fixture
def run(few_digits: DataSet) -> Run:
    """Two micro-batches of 16 to a step."""
    config = quick_config(
        accumulate=2, lambda_pos_start=0.001, lambda_pos=0.1, warmup_epochs=1, epochs=2
    )
    return prepare(config, few_digits, accelerator_for(config), workers=0)


def test_the_last_micro_batch_of_a_step_updates_the_weights(run: Run):
    start = {name: p.detach().clone() for name, p in run.network.named_parameters()}
    moved = []
    for i, (pixels, labels) in enumerate(run.train(run.plan.rows(1)[:4])):
        training_step(run, 1, i, pixels, labels)
        moved.append(not torch.equal(run.network.head.prototypes, start["head.prototypes"]))
        if run.accelerator.sync_gradients:
            assert run.network.head.prototypes.grad is None
    assert moved == [False, True, True, True]
    assert not torch.equal(run.network.projection.weight, start["projection.weight"])


def test_a_step_depends_on_its_place_alone(run: Run):
    """The schedules and the augmentation of epoch 2, micro-batch 3: the terms come out the same."""
    (pixels, labels), *_ = run.train(run.plan.rows(2)[3:4])
    first, _ = training_step(run, 2, 3, pixels, labels)
    rate = run.optimizer.param_groups[0]["lr"]
    again, _ = training_step(run, 2, 3, pixels, labels)
    other, _ = training_step(run, 2, 5, pixels, labels)
    # Three steps an epoch: step 1 of the second epoch after the warm-up is step 4 of 6.
    assert rate == pytest.approx(0.05 * (0.5 + 0.5 * math.cos(math.pi * (4 / 6 - 0.2) / 0.8)))
    assert first["positive"] == again["positive"] != other["positive"]
    lambda_pos = 0.001 * 100 ** (4 / 6)
    negative = 0.01 * first["negative_sample"] + 0.02 * first["negative_class"]
    expected = first["cross_entropy"] + lambda_pos * first["positive"] + negative
    assert first["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
