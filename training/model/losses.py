"""The loss terms of the seven methods: one pure function per term of its paper.

Shapes: embedding h (N, d) float32, labels y (N,) int64, prototypes, centres or weights c (M, d)
float32. Every term is a scalar. Equation numbers are those of the DPNP paper unless another is
named. Choosing a rival (eq. 6 and 8) carries no gradient; the distance to the chosen one does, for
both of its ends.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Smoothing of |x|^(1/2): each component's value stays within EPSILON of it, its slope below
# 0.54 / EPSILON. Without it the slope at 0 is infinite.
EPSILON = 1e-3
# Up to so many classes each step compares all prototypes with each other. The square of more would
# cost more than the network: those of the batch stand for all then.
ALL_CLASSES = 4096
_CHUNK = 2**20  # class × class distances held at a time: 4 MB, which stay in a CPU's cache


def positive(embedding: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """Second term of eq. 5, without λ: half the mean of ‖h − c_y‖²."""
    return 0.5 * (embedding - F.embedding(labels, prototypes)).square().sum(1).mean()


def negative_sample(embedding: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """Eq. 7: minus half the mean of ‖h − c_neg‖ to the power ½, in the ½-norm."""
    rivals = F.embedding(nearest_rival(embedding, labels, prototypes), prototypes)
    return -0.5 * half_norm(embedding - rivals).mean()


def negative_class(prototypes: Tensor, labels: Tensor) -> Tensor:
    """Eq. 9: minus half the mean over classes of ‖c − c_neg‖ to the power ½, in the ½-norm.

    Of more than ALL_CLASSES classes the mean is over those of the batch's `labels`, which over
    many batches is the same where classes have equally many pictures.
    """
    own = None if len(prototypes) <= ALL_CLASSES else torch.unique(labels)
    rivals = F.embedding(nearest_prototype(prototypes, own), prototypes)
    chosen = prototypes if own is None else F.embedding(own, prototypes)
    return -0.5 * half_norm(chosen - rivals).mean()


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
def nearest_prototype(prototypes: Tensor, own: Tensor | None = None) -> Tensor:
    """Eq. 8: index of the nearest neighbour among the others, of each prototype (M,), or of those
    of the classes `own` (m,).
    """
    if own is None:
        own = torch.arange(len(prototypes), device=prototypes.device)
    rows = max(1, _CHUNK // len(prototypes))
    # Into one tensor: small ones kept between the large ones of the parts would hold their memory.
    found = torch.empty_like(own)
    for start in range(0, len(own), rows):
        part = own[start : start + rows]
        found[start : start + rows] = nearest_rival(prototypes[part], part, prototypes)
    return found


def distance_logits(embedding: Tensor, prototypes: Tensor, gamma: float) -> Tensor:
    """Logits (N, M) of CPN's distance-based cross-entropy (Yang et al., Convolutional Prototype
    Network): −γ‖h − c‖², without −γ‖h‖², which is the same for all classes.
    """
    squares = prototypes.square().sum(1)
    return torch.addmm(squares, embedding, prototypes.T, beta=-gamma, alpha=2 * gamma)


def center_update(embedding: Tensor, labels: Tensor, centers: Tensor, counts: Tensor) -> Tensor:
    """A scalar whose gradient for the centres is Δc of the centre loss (Wen et al., eq. 4):
    Δc_j = Σ_{y_i = j} (c_j − h_i) / (1 + n_j), over a whole step.

    `counts` (M,) are the step's pictures of each class, over all processes and micro-batches. This
    is the part of one of them: the mean over the parts, which is how gradients are averaged, is
    the whole. It carries no gradient for the embedding.
    """
    squares = (embedding.detach() - F.embedding(labels, centers)).square().sum(1)
    return counts.sum() * (0.5 * squares / (1 + counts[labels])).mean()
