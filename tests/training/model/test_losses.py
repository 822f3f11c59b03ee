"""The terms of the losses against values computed by hand and against the papers' sums in loops."""

import math

import pytest
import torch

from tests.training.model.cases import EMBEDDING, LABELS, PROTOTYPES, random_case
from training.model import losses
from training.model.losses import EPSILON


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
    value = losses.negative_class(PROTOTYPES, LABELS[:0])
    assert value.item() == pytest.approx(-math.sqrt(2), abs=1e-6)


def test_of_very_many_classes_those_of_the_batch_stand_for_all(monkeypatch: pytest.MonkeyPatch):
    _, _, c = random_case(8, 30, 3)
    whole = losses.negative_class(c, torch.tensor([4]))
    monkeypatch.setattr(losses, "ALL_CLASSES", 29)
    # Every class in one batch of three; twice in a batch counts once.
    batches = torch.arange(30).reshape(3, 10)
    parts = [losses.negative_class(c, torch.cat([own, own[:4]])) for own in batches]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)
    c.requires_grad_()
    (slope,) = torch.autograd.grad(losses.negative_class(c, torch.tensor([7])), c)
    rival = (c - c[7]).norm(dim=1).argsort()[1]
    assert sorted(slope.abs().sum(1).nonzero()[:, 0].tolist()) == sorted([7, int(rival)])


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
    assert losses.negative_class(c, y).item() == pytest.approx(
        -per_class / (2 * classes), abs=slack
    )


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


def test_rival_is_never_the_own_class():
    _, y, c = random_case(50, 3, 2)
    assert (losses.nearest_rival(c[y], y, c) != y).all()
    assert (losses.nearest_prototype(c) != torch.arange(3)).all()


def test_distance_logits_by_hand():
    # −½‖h − c‖² with the ‖h‖² of each sample left out: 2, 1 and 4.5 more than the squares' halves.
    value = losses.distance_logits(EMBEDDING, PROTOTYPES, gamma=0.5)
    squares = torch.tensor([[0.0, 8.0], [2.0, 2.0], [13.0, 1.0]])
    norms = torch.tensor([4.0, 2.0, 9.0])
    assert torch.allclose(value, -0.5 * (squares - norms[:, None]))


def test_center_update_is_wens_delta():
    """Eq. 4 of the centre loss paper in loops; and its parts, averaged, are the whole."""
    h, y, c = random_case(8, 5, 3)
    counts = torch.bincount(y, minlength=5)
    c.requires_grad_()
    (whole,) = torch.autograd.grad(losses.center_update(h, y, c, counts), c)
    for j in range(5):
        away = sum((c[j] - h[i] for i in range(8) if y[i] == j), torch.zeros(3).double())
        torch.testing.assert_close(whole[j], away / (1 + counts[j]))
    parts = [losses.center_update(h[i : i + 4], y[i : i + 4], c, counts) for i in (0, 4)]
    (mean,) = torch.autograd.grad(torch.stack(parts).mean(), c)
    torch.testing.assert_close(mean, whole)


@pytest.mark.parametrize("together", [1, 90, 2**20])
def test_nearest_prototypes_part_by_part(together: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(losses, "_CHUNK", together)
    prototypes = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    between = torch.cdist(prototypes, prototypes).fill_diagonal_(torch.inf)
    assert torch.equal(losses.nearest_prototype(prototypes), between.argmin(1))
    some = torch.tensor([7, 31, 3])
    assert torch.equal(losses.nearest_prototype(prototypes, some), between[some].argmin(1))
