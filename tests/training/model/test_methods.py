"""The seven methods: their losses by hand, what they have in common, and how their centres move."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from interpret.explain.explainer import Explainer
from tests.training.conftest import quick_config
from tests.training.model.cases import EMBEDDING, LABELS, PROTOTYPES, random_case
from training.config.errors import ConfigError
from training.config.method_names import METHOD_NAMES
from training.config.train_config import TrainConfig
from training.config.training_job import ExportConfig, TrainingJob
from training.data.splits import DataSet
from training.export.bundle_export import export_bundle
from training.model.methods import Method, method_of
from training.run.loop import train

LAMBDA_POS = 0.1


def method(name: str, prototypes: torch.Tensor, **options: object) -> Method:
    """A method at given prototypes; with weights of its own, those are the prototypes mirrored."""
    config = TrainConfig.of(data="digits", method=name, **({"radius": 2.0} | options))
    head = method_of(config, *prototypes.shape).to(prototypes.dtype)
    with torch.no_grad():
        head.prototypes.copy_(prototypes)
        if getattr(head, "classifier", None) is not None:
            head.classifier.copy_(prototypes.flip(1))
    return head


def counts(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.bincount(labels, minlength=classes)


def loss(
    head: Method, h: torch.Tensor, y: torch.Tensor, lambda_pos: float = LAMBDA_POS
) -> torch.Tensor:
    return head(h, y, lambda_pos)["loss"]


# h·w for EMBEDDING (2,0), (1,1), (0,3) and labels 0, 0, 1. The squared distances to the own
# prototype, (2,0), (2,0), (0,2), are 0, 2, 1: half their mean is ½.
SOFTMAX_AT_1 = (math.log(1 + math.exp(-4)) + math.log(2) + math.log(1 + math.exp(-6))) / 3
SOFTMAX_AT_ALPHA = (math.log(1 + math.exp(-2)) + math.log(2) + math.log(1 + math.exp(-3))) / 3
MIRRORED_AT_1 = (math.log(1 + math.exp(4)) + math.log(2) + math.log(1 + math.exp(6))) / 3
MIRRORED_AT_ALPHA = (math.log(1 + math.exp(2)) + math.log(2) + math.log(1 + math.exp(3))) / 3
# −γ‖h − c‖² at γ = ½: 0 and −4, −1 and −1, −6.5 and −0.5.
SOFTMAX_OF_DISTANCES = (math.log(1 + math.exp(-4)) + math.log(2) + math.log(1 + math.exp(-6))) / 3
# Σ|h − c_neg|^½ is 2√2, 2 and √2 + √3; both prototypes are 2√2 from each other.
NEGATIVE_SAMPLE = -(2 * math.sqrt(2) + 2 + math.sqrt(2) + math.sqrt(3)) / 6
NEGATIVE_CLASS = -math.sqrt(2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ce", SOFTMAX_AT_1),
        ("cl", MIRRORED_AT_1 + 0.1 * 0.5),
        ("cpn", SOFTMAX_OF_DISTANCES + 0.1 * 1.0),  # PL has no half
        ("ccl", MIRRORED_AT_ALPHA + 0.1 * 0.5),
        ("sccl", SOFTMAX_AT_ALPHA + 0.1 * 0.5),
        ("dpp", SOFTMAX_AT_ALPHA + 0.1 * 0.5),
        ("dpnp", SOFTMAX_AT_ALPHA + 0.1 * 0.5 + 0.2 * NEGATIVE_SAMPLE + 0.4 * NEGATIVE_CLASS),
    ],
)
def test_losses_by_hand(name: str, expected: float):
    lambdas = {"lambda_neg_sample": 0.2, "lambda_neg_class": 0.4}
    head = method(name, PROTOTYPES, gamma=0.5, **lambdas)
    assert loss(head, EMBEDDING, LABELS).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_gradients_are_right(name: str):
    """For the embedding and for every vector that the loss teaches. CL's centres learn by a rule
    of their own, see test_losses; the others by the gradient of what is logged.
    """
    h, y, c = random_case(5, 4, 3)
    head = method(name, c, lambda_neg_sample=0.1, lambda_neg_class=0.2)
    learned = {k: v for k, v in head.named_parameters() if (name, k) != ("cl", "prototypes")}

    def value(h: torch.Tensor, *vectors: torch.Tensor) -> torch.Tensor:
        own = dict(zip(learned, vectors, strict=True))
        terms = torch.func.functional_call(head, own, (h, y, LAMBDA_POS))
        return terms["loss"]

    inputs = (h.requires_grad_(), *(v.detach().clone().requires_grad_() for v in learned.values()))
    assert torch.autograd.gradcheck(value, inputs)


def test_dpnp_at_zero_lambda_is_dpp():
    h, y, c = random_case(6, 4, 3)
    zero = method("dpnp", c, lambda_neg_sample=0, lambda_neg_class=0)
    dpp = method("dpp", c)
    assert loss(zero, h, y).item() == loss(dpp, h, y).item()
    logits = h @ c.T / 2.0  # eq. 5 written out
    expected = F.cross_entropy(logits, y) + 0.05 * ((h - c[y]) ** 2).sum(1).mean()
    assert loss(dpp, h, y).item() == pytest.approx(expected.item())


def test_dpp_without_pull_is_a_softmax_with_normalised_weights():
    h, y, c = random_case(6, 4, 3)
    dpp = method("dpp", c)
    dpp.constrain_()
    expected = F.cross_entropy(h @ F.normalize(c).T, y)
    assert loss(dpp, h, y, 0.0).item() == pytest.approx(expected.item())


def test_cpn_is_a_gaussian_mixture_of_one_component_a_class():
    h, _, c = random_case(6, 4, 3)
    head = method("cpn", c, gamma=0.3)
    density = torch.exp(-0.3 * torch.cdist(h, c) ** 2)
    posterior = density / density.sum(1, keepdim=True)
    torch.testing.assert_close(head.logits(h).softmax(1), posterior)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_the_mean_over_the_parts_is_the_whole(name: str):
    """Batch order does not matter, and micro-batches and processes add up to the same step."""
    h, y, c = random_case(8, 5, 3)
    head = method(name, c)

    def gradients(parts: list[torch.Tensor]) -> list[torch.Tensor]:
        total = torch.stack([loss(head, h[i], y[i]) for i in parts]).mean()
        own = list(head.parameters())
        found = torch.autograd.grad(total, own, allow_unused=True) if own else ()
        return [total, *(g for g in found if g is not None)]

    split = list(torch.arange(7, -1, -1).split(2))
    for a, b in zip(gradients([torch.arange(8)]), gradients(split), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_finite_at_coincident_points_and_with_ten_thousand_classes(name: str):
    """A sample on its rival's prototype, two prototypes in one place; and many classes."""
    c = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    cases = [(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]), c)]
    cases.append(random_case(4, 10_000, 8, torch.float32))
    for h, y, vectors in cases:
        head = method(name, vectors, prototype_init="random")
        h.requires_grad_()
        value = loss(head, h, y)
        value.backward()
        assert torch.isfinite(value)
        for tensor in (h, *head.parameters()):
            assert tensor.grad is None or torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize(
    ("weights", "closer", "others_apart"),
    [((0.5, 0, 0), True, False), ((0, 0.5, 0), False, True), ((0, 0, 0.5), False, True)],
)
def test_each_lambda_pulls_or_pushes(weights, closer: bool, others_apart: bool):
    """Against the plain cross-entropy, one gradient step with one λ moves what it should move."""

    def after_step(pos: float, neg_sample: float, neg_class: float):
        lambdas = {"lambda_neg_sample": neg_sample, "lambda_neg_class": neg_class}
        head = method("dpnp", PROTOTYPES, **lambdas)
        h, c = torch.tensor([[1.2, 0.6]], requires_grad=True), head.prototypes
        loss(head, h, torch.tensor([0]), pos).backward()
        return h - 0.1 * h.grad, c - 0.1 * c.grad

    (h0, c0), (h1, c1) = after_step(0, 0, 0), after_step(*weights)
    if closer:
        assert (h1 - c1[0]).norm() < (h0 - c0[0]).norm()
    if others_apart:
        rivals = (h1 - c1[1]).norm() + (c1[0] - c1[1]).norm()
        assert rivals > (h0 - c0[1]).norm() + (c0[0] - c0[1]).norm()


@pytest.mark.parametrize("name", ["ccl", "sccl"])
def test_class_means_land_on_the_sphere(name: str):
    head = method(name, PROTOTYPES)
    head.take_means_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    expected = torch.tensor([[1.2, 1.6], [0.0, 2.0]])  # the second has no direction: it stays
    torch.testing.assert_close(head.prototypes, expected)
    assert head.mean_every == 2


def test_ccl_weights_are_of_norm_alpha_at_every_step():
    head = method("ccl", PROTOTYPES * 3)
    torch.testing.assert_close(head.weights().norm(dim=1), torch.full((2,), 2.0))


def test_center_loss_moves_centres_by_its_own_rate():
    """One step: c − 0.5 Δc, whatever the schedule, λ and momentum are."""
    h, y, c = random_case(8, 5, 3, torch.float32)
    config = TrainConfig.of(data="digits", method="cl")
    head = method("cl", c)
    group = head.parameter_groups(config)[1]
    torch.optim.SGD([group], lr=group["initial_lr"], momentum=0.9)
    update = head.centre_update(h, y, counts(y, 5))
    assert update.item() == 0
    (loss(head, h, y) + update).backward()
    expected = c.clone()
    for j in range(5):
        own = h[y == j]
        expected[j] -= 0.5 * (c[j] * len(own) - own.sum(0)) / (1 + len(own))
    moved = head.prototypes - group["initial_lr"] * head.prototypes.grad
    torch.testing.assert_close(moved, expected)
    assert group["scheduled"] is False
    assert group["momentum"] == 0.0


def test_every_name_has_a_method():
    heads = {
        name: method_of(TrainConfig.of(data="digits", method=name), 4, 3) for name in METHOD_NAMES
    }
    assert {name: head.on_sphere for name, head in heads.items()} == {
        **{"ce": False, "cl": False, "cpn": False},
        **{"ccl": True, "sccl": True, "dpp": True, "dpnp": True},
    }


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_one_class_is_refused(name: str):
    with pytest.raises(ConfigError, match="at least 2 classes"):
        method_of(TrainConfig.of(data="digits", method=name), 1, 3)


@pytest.mark.parametrize("name", [m for m in METHOD_NAMES if m != "dpnp"])  # which all tests train
def test_an_epoch_on_digits_learns_exports_and_explains(name: str, digits: DataSet, tmp_path: Path):
    config = quick_config(method=name, epochs=2, lambda_pos=0.003)
    network = train(config, digits, tmp_path / "run")
    bundle = export_bundle(
        network, TrainingJob(config, ExportConfig(gallery=3)), digits, tmp_path / name
    )
    manifest = bundle.manifest
    assert manifest.metrics.accuracy > 0.5
    assert manifest.method == name
    assert manifest.certificate.argmax_agreement == 1.0
    assert (manifest.radius is None) == (name in ("ce", "cl", "cpn"))
    np.testing.assert_array_equal(bundle.prototypes, network.head.prototypes.detach())
    if name in ("sccl", "cpn", "dpp"):  # the classifier's answer is the nearest centre
        assert manifest.metrics.rules_disagree == 0
    pixels = digits.splits["test"].pixels(16, "")
    explainer = Explainer(bundle)
    answers = explainer.classify(pixels)
    probabilities = explainer.predictor(pixels).probabilities
    assert [answer.index for answer in answers] == probabilities.argmax(1).tolist()
    disagree = sum(answer.margin < 0 for answer in answers)
    assert disagree == manifest.metrics.rules_disagree
    explanation = explainer.explain(pixels[0], k=2)
    squares = explanation.negative.distance**2 - explanation.positive.distance**2
    assert np.sum(explanation.evidence.values) == pytest.approx(squares, rel=1e-3, abs=0.05)


def test_logit_adjustment_trains_for_equal_shares():
    """−log softmax(logits + log π), Menon et al.; what answers is the logits alone."""
    config = TrainConfig.of(data="digits", method="dpnp", embedding_dim=2, prototype_init="random")
    head = method_of(config, 3, 2)
    embedding, labels = torch.tensor([[1.0, 2.0], [-3.0, 0.5]]), torch.tensor([0, 2])
    plain = head.logits(embedding)
    head.adjust_for(torch.tensor([80, 15, 5]))
    adjusted = plain + torch.tensor([0.80, 0.15, 0.05]).log()
    expected = F.cross_entropy(adjusted, labels)
    torch.testing.assert_close(head.cross_entropy(embedding, labels), expected)
    torch.testing.assert_close(head.logits(embedding), plain)
    assert "log_shares" not in head.state_dict()
