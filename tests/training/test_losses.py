"""The terms of eq. 5–10 against values computed by hand and against the paper's sums in loops."""

import math

import pytest
import torch

from training import losses
from training.losses import EPSILON, DPNPLoss

# Two classes on a circle of radius 2, and three samples.
PROTOTYPES = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
EMBEDDING = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
LABELS = torch.tensor([0, 0, 1])


def random_case(samples: int, classes: int, dim: int, dtype: torch.dtype = torch.float64):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(samples, dim, generator=generator, dtype=dtype) * 3
    prototypes = torch.randn(classes, dim, generator=generator, dtype=dtype) * 3
    labels = torch.randint(classes, (samples,), generator=generator)
    return embedding, labels, prototypes


def test_cross_entropy_by_hand():
    # Logits c·h/α: (2, 0), (1, 1), (0, 3).
    expected = (math.log(1 + math.exp(-2)) + math.log(2) + math.log(1 + math.exp(-3))) / 3
    value = losses.cross_entropy(EMBEDDING, LABELS, PROTOTYPES, radius=2.0)
    assert value.item() == pytest.approx(expected)


def test_positive_by_hand():
    # Squared distances to the own prototype: 0, 1 + 1, 1.
    assert losses.positive(EMBEDDING, LABELS, PROTOTYPES).item() == pytest.approx(3 / 6)


def test_negative_sample_by_hand():
    # Differences to the rival: (2, −2), (1, −1), (−2, 3); Σ|x|^½, halved and averaged.
    expected = -(2 * math.sqrt(2) + 2 + math.sqrt(2) + math.sqrt(3)) / 6
    value = losses.negative_sample(EMBEDDING, LABELS, PROTOTYPES)
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_negative_class_by_hand():
    # Both classes are 2 away from the other in each component: Σ|x|^½ = 2√2.
    assert losses.negative_class(PROTOTYPES).item() == pytest.approx(-math.sqrt(2), abs=1e-6)


def test_total_is_equation_10():
    terms = DPNPLoss(2.0, pos=0.5, neg_sample=0.25, neg_class=0.125)(EMBEDDING, LABELS, PROTOTYPES)
    expected = (
        terms.cross_entropy
        + 0.5 * terms.positive
        + 0.25 * terms.negative_sample
        + 0.125 * terms.negative_class
    )
    assert terms.total.item() == pytest.approx(expected.item())


@pytest.mark.parametrize(("classes", "dim"), [(2, 3), (10, 3), (102, 10)])
def test_transcription_of_the_paper(classes: int, dim: int):
    """Eq. 5, 7 and 9, sample by sample and class by class."""
    h, y, c = random_case(7, classes, dim)
    positive = sample = per_class = 0.0
    for i in range(len(h)):
        positive += float(((h[i] - c[y[i]]) ** 2).sum())
        rival = min(
            (j for j in range(classes) if j != y[i]), key=lambda j: float((h[i] - c[j]).norm())
        )
        sample += float((h[i] - c[rival]).abs().sqrt().sum())
    for j in range(classes):
        rival = min(
            (k for k in range(classes) if k != j), key=lambda k: float((c[j] - c[k]).norm())
        )
        per_class += float((c[j] - c[rival]).abs().sqrt().sum())
    slack = EPSILON * dim
    assert losses.positive(h, y, c).item() == pytest.approx(positive / (2 * len(h)))
    assert losses.negative_sample(h, y, c).item() == pytest.approx(
        -sample / (2 * len(h)), abs=slack
    )
    assert losses.negative_class(c).item() == pytest.approx(-per_class / (2 * classes), abs=slack)


@pytest.mark.parametrize("pos", [0.0, 0.1])
@pytest.mark.parametrize("neg", [0.0, 0.1])
def test_gradients_are_right(pos: float, neg: float):
    h, y, c = random_case(5, 4, 3)
    loss = DPNPLoss(4.0, pos, neg, 2 * neg)
    inputs = (h.requires_grad_(), c.requires_grad_())
    assert torch.autograd.gradcheck(lambda h, c: loss(h, y, c).total, inputs)


def test_smoothed_root_stays_within_epsilon():
    x = torch.cat([torch.zeros(1), torch.logspace(-12, 2, 500)]).double()[:, None]
    difference = (losses.half_norm(x) - x[:, 0].sqrt()).abs()
    assert difference.max() <= EPSILON
    assert difference[-1] < 1e-9


def test_smoothed_root_has_bounded_slope_and_none_at_zero():
    x = torch.cat([torch.zeros(1), torch.logspace(-12, 2, 500)]).double()[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(losses.half_norm(x).sum(), x)
    assert slope[0] == 0
    assert slope.max() < 0.54 / EPSILON


def test_finite_at_coincident_points():
    """A sample on its rival's prototype, and two prototypes in one place."""
    c = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    h = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    total = DPNPLoss(1.0, 0.1, 0.1, 0.1)(h, torch.tensor([0, 1]), c).total
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(h.grad).all()
    assert torch.isfinite(c.grad).all()


def test_mean_over_the_batch_is_the_mean_of_its_parts():
    h, y, c = random_case(8, 5, 3)
    loss = DPNPLoss(4.0, 0.1, 0.2, 0.3)
    whole = loss(h, y, c).total
    parts = [loss(h[i : i + 2], y[i : i + 2], c).total for i in range(0, 8, 2)]
    assert whole.item() == pytest.approx(torch.stack(parts).mean().item())


def test_order_of_the_batch_does_not_matter():
    h, y, c = random_case(8, 5, 3)
    loss, order = DPNPLoss(4.0, 0.1, 0.2, 0.3), torch.arange(7, -1, -1)
    assert loss(h, y, c).total.item() == pytest.approx(loss(h[order], y[order], c).total.item())


@pytest.mark.parametrize(
    ("weights", "closer", "others_apart"),
    [((0.5, 0, 0), True, False), ((0, 0.5, 0), False, True), ((0, 0, 0.5), False, True)],
)
def test_each_lambda_pulls_or_pushes(weights, closer: bool, others_apart: bool):
    """Against the plain cross-entropy, one gradient step with one λ moves what it should move."""

    def after_step(pos: float, neg_sample: float, neg_class: float):
        c = PROTOTYPES.clone().requires_grad_()
        h = torch.tensor([[1.2, 0.6]], requires_grad=True)
        DPNPLoss(2.0, pos, neg_sample, neg_class)(h, torch.tensor([0]), c).total.backward()
        return h - 0.1 * h.grad, c - 0.1 * c.grad

    (h0, c0), (h1, c1) = after_step(0, 0, 0), after_step(*weights)
    if closer:
        assert (h1 - c1[0]).norm() < (h0 - c0[0]).norm()
    if others_apart:
        rivals = (h1 - c1[1]).norm() + (c1[0] - c1[1]).norm()
        assert rivals > (h0 - c0[1]).norm() + (c0[0] - c0[1]).norm()


def test_dpnp_without_negative_terms_is_dpp():
    """Eq. 5 written out."""
    h, y, c = random_case(6, 4, 3)
    logits = h @ c.T / 4.0
    expected = torch.nn.functional.cross_entropy(logits, y) + 0.05 * ((h - c[y]) ** 2).sum(1).mean()
    assert DPNPLoss(4.0, 0.1, 0.0, 0.0)(h, y, c).total.item() == pytest.approx(expected.item())


def test_ten_thousand_classes():
    h, y, c = random_case(4, 10_000, 8, torch.float32)
    c.requires_grad_()
    terms = DPNPLoss(4.0, 0.1, 0.1, 0.1)(h, y, c)
    terms.total.backward()
    assert all(torch.isfinite(term) for term in terms)
    assert torch.isfinite(c.grad).all()


def test_rival_is_never_the_own_class():
    _, y, c = random_case(50, 3, 2)
    assert (losses.nearest_rival(c[y], y, c) != y).all()
    assert (losses.nearest_prototype(c) != torch.arange(3)).all()
