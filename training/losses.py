"""The DPNP loss, eq. 5–10 of the paper: one pure function per term.

Shapes: embedding h (N, d) float32, labels y (N,) int64, prototypes c (M, d) float32 with rows of
norm α. Every term is a scalar. Choosing a rival (eq. 6 and 8) carries no gradient; the distance to
the chosen one does, for both of its ends.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Smoothing of |x|^(1/2): each component's value stays within EPSILON of it, its slope below
# 0.54 / EPSILON. Without it the slope at 0 is infinite.
EPSILON = 1e-3
_CHUNK = 1024  # rows of the class × class distances held at a time, for thousands of classes


class LossTerms(NamedTuple):
    """The terms of eq. 10, unweighted, and their weighted sum."""

    total: Tensor
    cross_entropy: Tensor
    positive: Tensor
    negative_sample: Tensor
    negative_class: Tensor


def cross_entropy(embedding: Tensor, labels: Tensor, prototypes: Tensor, radius: float) -> Tensor:
    """Eq. 1 and 2: softmax over c·h/α. (Eq. 10 omits α, but undivided logits reach α².)"""
    return F.cross_entropy(embedding @ prototypes.T / radius, labels)


def positive(embedding: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """Second term of eq. 5, without λ: half the mean of ‖h − c_y‖²."""
    return 0.5 * (embedding - F.embedding(labels, prototypes)).square().sum(1).mean()


def negative_sample(embedding: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """Eq. 7: minus half the mean of ‖h − c_neg‖ to the power ½, in the ½-norm."""
    rivals = F.embedding(nearest_rival(embedding, labels, prototypes), prototypes)
    return -0.5 * half_norm(embedding - rivals).mean()


def negative_class(prototypes: Tensor) -> Tensor:
    """Eq. 9: minus half the mean over classes of ‖c − c_neg‖ to the power ½, in the ½-norm."""
    rivals = F.embedding(nearest_prototype(prototypes), prototypes)
    return -0.5 * half_norm(prototypes - rivals).mean()


def half_norm(difference: Tensor) -> Tensor:
    """‖x‖_{1/2}^{1/2} = Σ|x_i|^{1/2} over the last dimension, smoothed to (x² + ε⁴)^{1/4}."""
    return (difference.square() + EPSILON**4).pow(0.25).sum(-1)


@torch.no_grad()
def nearest_rival(embedding: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """Eq. 6: index (N,) of the prototype nearest to h among those of other classes."""
    # ‖h − c‖² less ‖h‖², which is the same for all candidates.
    squares = prototypes.square().sum(1) - 2 * embedding @ prototypes.T
    return squares.scatter_(1, labels[:, None], torch.inf).argmin(1)


@torch.no_grad()
def nearest_prototype(prototypes: Tensor) -> Tensor:
    """Eq. 8: index (M,) of each prototype's nearest neighbour among the others."""
    labels = torch.arange(len(prototypes), device=prototypes.device)
    parts = zip(torch.split(prototypes, _CHUNK), torch.split(labels, _CHUNK), strict=True)
    return torch.cat([nearest_rival(rows, own, prototypes) for rows, own in parts])


class DPNPLoss(nn.Module):
    """Eq. 10. At zero `neg_sample` and `neg_class` it is the DPP loss, eq. 5."""

    def __init__(self, radius: float, pos: float, neg_sample: float, neg_class: float) -> None:
        super().__init__()
        self.radius, self.pos = radius, pos
        self.neg_sample, self.neg_class = neg_sample, neg_class

    def forward(self, embedding: Tensor, labels: Tensor, prototypes: Tensor) -> LossTerms:
        """The terms for one batch; all are computed, also those of weight 0, to be logged."""
        terms = (
            cross_entropy(embedding, labels, prototypes, self.radius),
            positive(embedding, labels, prototypes),
            negative_sample(embedding, labels, prototypes),
            negative_class(prototypes),
        )
        weights = (1.0, self.pos, self.neg_sample, self.neg_class)
        total = torch.stack([w * term for w, term in zip(weights, terms, strict=True)]).sum()
        return LossTerms(total, *terms)
