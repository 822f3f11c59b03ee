"""A head refitted to corrections: another projection, and other prototypes, in seconds.

The embedding is h = W z + b with z the pooled features, and the answer's softmax has the logits
s_j = (c_j·h − ‖c_j‖²/2) / (α T). The refit minimises, over W, b and the directions of the
prototypes,

    Σ CE of the gallery + κ Σ CE of the corrections
        + λ Σ over the gallery ‖h − h₀‖² / 2α² + λ G Σ_j ‖c_j − c_j⁰‖² / 2α².

The last two terms keep the space in its place: embeddings h₀ and prototypes c⁰ of before move only
as far as corrections ask for. In features that are whitened on the gallery the third term is a
plain ridge, so L-BFGS needs few steps. With d ≥ M − 1 dimensions prototypes on a sphere stay: a
projection alone can give every softmax there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
EMPHASIS = 3.0  # κ: gallery pictures that one correction weighs as much as
STIFFNESSES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # λ to choose from, the softest first
_RIDGE = 0.1  # of a feature's mean variance on the gallery, added to each
_STEPS = 200  # of L-BFGS, at most


class Head(NamedTuple):
    """Projection and prototypes."""

    weight: Floats  # W (d, F)
    bias: Floats  # b (d,)
    prototypes: Floats  # C (M, d)

    def embed(self, features: NDArray[np.floating]) -> Floats:
        """Embeddings (N, d) of pooled features (N, F)."""
        return features.astype(np.float64) @ self.weight.T + self.bias

    def answers(self, features: NDArray[np.floating]) -> Labels:
        """The class (N,) of the nearest prototype."""
        scores = self.embed(features) @ self.prototypes.T - np.square(self.prototypes).sum(1) / 2
        found: Labels = scores.argmax(1)
        return found

    def after(self, projection: Head) -> Head:
        """This head of embeddings as a head of the features that `projection` embeds."""
        weight = self.weight @ projection.weight
        return Head(weight, self.weight @ projection.bias + self.bias, self.prototypes)


class Examples(NamedTuple):
    """Pooled features (N, F) and their classes (N,)."""

    features: NDArray[np.floating]
    labels: Labels


def refit(
    head: Head,
    gallery: Examples,
    corrections: Examples,
    scale: float,
    *,
    stiffness: float,
    emphasis: float = EMPHASIS,
) -> Head:
    """The head that learns the corrections. `scale` is α T: what the logits are divided by."""
    from scipy.optimize import minimize  # here: the service does not need SciPy

    points = np.concatenate([gallery.features, corrections.features]).astype(np.float64)
    mean, whitening = _whitening(gallery.features.astype(np.float64))
    white = np.hstack([(points - mean) @ whitening, np.ones((len(points), 1))])
    weights = np.repeat([1.0, emphasis], [len(gallery.labels), len(corrections.labels)])
    labels = np.concatenate([gallery.labels, corrections.labels])
    task = _Task(
        white,
        head.embed(points),
        labels,
        weights,
        head.prototypes,
        scale,
        stiffness * max(len(gallery.labels), 1) / scale**2,
        moving=_prototypes_move(head.prototypes),
    )
    start = np.zeros(task.size)
    found = minimize(task.loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    change, prototypes = task.unpacked(found.x)
    weight = change[:, :-1] @ whitening.T
    return Head(head.weight + weight, head.bias + change[:, -1] - weight @ mean, prototypes)


def _whitening(features: Floats) -> tuple[Floats, Floats]:
    """Mean (F,) and (F, F): features less the mean, times it, vary alike in every direction."""
    mean = features.mean(0)
    centred = features - mean
    covariance = centred.T @ centred / max(len(features), 1)
    ridge = _RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12)
    sizes, axes = np.linalg.eigh(covariance)
    return mean, axes / np.sqrt(np.maximum(sizes, 0) + ridge)


def _prototypes_move(prototypes: Floats) -> bool:
    """Whether other directions of the prototypes can give answers that a projection cannot."""
    classes, dim = prototypes.shape
    norms = np.linalg.norm(prototypes, axis=1)
    return dim < classes - 1 or not np.allclose(norms, norms.mean(), rtol=1e-3)


@dataclass(frozen=True)
class _Task:
    """The loss of a refit over one flat vector: the projection's change, then the prototypes'."""

    white: Floats  # (N, F + 1)
    before: Floats  # (N, d), embeddings with the head of before
    labels: Labels
    weights: Floats  # (N,)
    prototypes: Floats  # (M, d)
    scale: float
    stiffness: float
    moving: bool

    @property
    def size(self) -> int:
        """Length of the vector."""
        dim = self.before.shape[1]
        return int(dim * self.white.shape[1] + self.moving * self.prototypes.size)

    def unpacked(self, vector: Floats) -> tuple[Floats, Floats]:
        """The projection's change (d, F + 1) and the prototypes (M, d), each of its old norm."""
        dim, width = self.before.shape[1], self.white.shape[1]
        change = vector[: dim * width].reshape(dim, width)
        if not self.moving:
            return change, self.prototypes
        moved = self.prototypes + vector[dim * width :].reshape(self.prototypes.shape)
        norms = np.linalg.norm(self.prototypes, axis=1) / np.linalg.norm(moved, axis=1)
        return change, moved * norms[:, None]

    def loss(self, vector: Floats) -> tuple[float, Floats]:
        """The loss and its gradient."""
        change, prototypes = self.unpacked(vector)
        embedding = self.before + self.white @ change.T
        logits = (embedding @ prototypes.T - np.square(prototypes).sum(1) / 2) / self.scale
        logits -= logits.max(1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(1, keepdims=True)
        rows = np.arange(len(self.labels))
        losses = -np.log(np.maximum(shares[rows, self.labels], 1e-300))
        value = float(self.weights @ losses) + self.stiffness * float(np.square(change).sum()) / 2
        shares[rows, self.labels] -= 1
        pull = shares * (self.weights / self.scale)[:, None]  # (N, M), of the logits
        gradient = (pull @ prototypes).T @ self.white + self.stiffness * change
        if not self.moving:
            return value, gradient.ravel()
        value += self.stiffness * float(np.square(prototypes - self.prototypes).sum()) / 2
        # Norms do not change, so ‖c‖² has no gradient; what points along c is taken out.
        own = pull.T @ embedding + self.stiffness * (prototypes - self.prototypes)
        return value, np.concatenate([gradient.ravel(), self._tangent(own, vector).ravel()])

    def _tangent(self, gradient: Floats, vector: Floats) -> Floats:
        """The gradient (M, d) of the prototypes as one of the vector that was scaled to norms."""
        moved = self.prototypes + vector[-self.prototypes.size :].reshape(self.prototypes.shape)
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        unit = moved / lengths
        radial = (gradient * unit).sum(1, keepdims=True)
        scaled = np.linalg.norm(self.prototypes, axis=1, keepdims=True) / lengths
        result: Floats = scaled * (gradient - radial * unit)
        return result
