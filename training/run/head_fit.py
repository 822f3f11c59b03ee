"""A head fitted to the features of a network that stands still: seconds instead of epochs.

A softmax on pooled features z has logits L = W·z + b. Prototypes C (M, d) at norm α give the logits
C·h/α of an embedding h = P·z + q. With d ≥ M − 1 dimensions and C the corners of a regular simplex,
h = α·C⁺·(L − mean of L) has C·h/α = L − mean of L: the nearest prototype is the softmax's answer,
exactly. With fewer dimensions P and q start from the ridge regression of the pictures' own
prototypes on their features, and are then fitted to the cross-entropy by L-BFGS.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
# Inverse strengths of the regularisation that are tried, for standardised features.
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 1.0)
_DEFAULT_STRENGTH = 0.01  # where there are too few pictures to compare
_FOLDS = 4
_COMPARED = 4_000  # pictures that strengths are compared on, at most
_ITERATIONS = 200
_RIDGE = 0.1  # of the mean variance of a feature, added to each
_STEPS = 100  # of L-BFGS in fewer than M − 1 dimensions


class Softmax(NamedTuple):
    """Logits L = weight·z + bias of pooled features z."""

    weight: Tensor  # (M, F)
    bias: Tensor  # (M,)
    strength: float  # the inverse regularisation that was chosen
    accuracy: float | None  # cross-validated on the training pictures; None: too few


def fit_softmax(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    seed: int = 0,
    *,
    balanced: bool = False,
) -> Softmax:
    """The softmax on features (N, F) for labels (N,): a logistic regression, its regularisation
    chosen by cross-validated log-loss on the training pictures. `balanced` answers as if all
    classes were equally frequent.
    """
    mean, spread = features.mean(0), _spread(features)
    points = (features - mean) / spread
    strength, accuracy = _best_strength(points, labels, classes, seed)
    weight, bias = _regression(points, labels, classes, strength)
    weight = weight / spread
    bias = bias - weight @ mean
    if balanced:  # what the shares add to the logits is taken off again
        bias = bias - np.log(np.maximum(np.bincount(labels, minlength=classes), 0.5) / len(labels))
    return Softmax(
        torch.from_numpy(weight.astype(np.float32)),
        torch.from_numpy(bias.astype(np.float32)),
        strength,
        accuracy,
    )


def simplex_map(softmax: Softmax, prototypes: Tensor) -> tuple[Tensor, Tensor]:
    """Projection P (d, F) and q (d,) whose embedding has the softmax's answers by the nearest of
    the prototypes (M, d), corners of a regular simplex of norm α; needs d ≥ M − 1.
    """
    classes, radius = len(prototypes), prototypes.norm(dim=1).mean().double()
    solve = radius * torch.linalg.pinv(prototypes.double())  # (d, M)
    centre = torch.eye(classes, dtype=torch.float64) - 1 / classes
    weight = solve @ centre @ softmax.weight.double()
    bias = solve @ centre @ softmax.bias.double()
    return weight.float(), bias.float()


def narrow_map(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    prototypes: Tensor,
    log_shares: Tensor | None = None,
    weight_decay: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Projection P (d, F) and q (d,) for prototypes (M, d) in fewer than M − 1 dimensions.
    `log_shares` (M,) are added to the logits while fitting, see Method.adjust_for.
    """
    mean, spread = torch.from_numpy(features.mean(0)), torch.from_numpy(_spread(features))
    points = (torch.from_numpy(features) - mean) / spread
    target, radius = prototypes[torch.from_numpy(labels)], prototypes.norm(dim=1).mean()
    weight, bias = _ridge(points, target)
    goal = torch.from_numpy(labels)
    weight.requires_grad_(True)
    bias.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        embedding = points @ weight.T + bias
        logits = embedding @ prototypes.T / radius
        if log_shares is not None:
            logits = logits + log_shares
        value = F.cross_entropy(logits, goal)
        value = value + weight_decay * weight.square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    found = weight.detach() / spread
    return found, bias.detach() - found @ mean


def _spread(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each feature (N, F) is divided by: the root of the mean of its own variance and of the
    mean variance of all. A few pictures do not tell the variance of each of a thousand features:
    with one a class, own variances alone cost a third of the right answers against the nearest
    class mean (`python -m tests.benchmarks.few_shot`).
    """
    variance = features.var(0)
    spread: NDArray[np.float32] = np.sqrt((variance + variance.mean()) / 2) + 1e-6
    return spread


def _ridge(points: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The ridge regression of targets (N, d) on standardised points (N, F)."""
    x, y = points.double(), target.double()
    middle = y.mean(0)
    penalty = _RIDGE * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
    solved = torch.linalg.solve(x.T @ x + penalty, x.T @ (y - middle))
    return solved.T.float().contiguous(), middle.float()


def _best_strength(
    points: NDArray[np.float32], labels: NDArray[np.int64], classes: int, seed: int
) -> tuple[float, float | None]:
    """The strength of the smallest cross-validated log-loss, and the accuracy it has there."""
    order = np.random.default_rng(seed).permutation(len(labels))[:_COMPARED]
    points, labels = points[order], labels[order]
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2:
        return _DEFAULT_STRENGTH, None
    fold = np.empty(len(labels), np.int64)  # each class is spread over the folds
    for label in range(classes):
        own = np.flatnonzero(labels == label)
        fold[own] = (np.arange(len(own)) + label) % min(_FOLDS, len(own))
    results = []
    for strength in STRENGTHS:
        losses, right = np.empty(len(labels)), np.empty(len(labels), bool)
        for part in range(fold.max() + 1):
            known, asked = fold != part, fold == part
            weight, bias = _regression(points[known], labels[known], classes, strength)
            logits = points[asked] @ weight.T + bias
            logits -= logits.max(1, keepdims=True)
            own = labels[asked]
            losses[asked] = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(own)), own]
            right[asked] = logits.argmax(1) == own
        results.append((float(losses.mean()), strength, float(right.mean())))
    _, strength, accuracy = min(results)
    return strength, accuracy


def _regression(
    points: NDArray[np.float32], labels: NDArray[np.int64], classes: int, strength: float
) -> tuple[Floats, Floats]:
    """Weights (M, F) and biases (M,) of a logistic regression over all classes; one without a
    picture among the points is as unlikely as any.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close enough: training goes on
        model = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(points, labels)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row of two that differ in the sign
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    whole = np.zeros((classes, points.shape[1]))
    offset = np.full(classes, bias.min() - 10.0)
    whole[model.classes_], offset[model.classes_] = weight, bias
    return whole, offset
