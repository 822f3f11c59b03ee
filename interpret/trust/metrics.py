"""The manifest's metrics of an exported model, from its predictions for labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.manifest import Geometry, Metrics, Thresholds
from interpret.geometry import geometry
from interpret.model.predictor import Prediction
from interpret.trust.confusion import confusion_matrix
from interpret.trust.per_class import balanced_accuracy, class_figures

BINS = 15  # of the calibration error
# Shares of the correctly classified pictures that the two thresholds give up.
TOO_FAR, TOO_CLOSE = 0.01, 0.02


class Scored(NamedTuple):
    """The answers to N labelled pictures, with the numbers that metrics and thresholds need."""

    labels: NDArray[np.int64]  # (N,)
    predicted: NDArray[np.int64]  # (N,), by inner product: the classifier's answer
    nearest: NDArray[np.int64]  # (N,), by Euclidean distance, measured anew from the embedding
    confidence: NDArray[np.float64]  # (N,), probability of the answer
    distance: NDArray[np.float64]  # (N,), to the answer's prototype
    margin: NDArray[np.float64]  # (N,), the nearest other prototype's distance less `distance`
    ood_score: NDArray[np.float64]  # (N,), `distance` plus the novelty
    rank: NDArray[np.int64]  # (N,), classes that are more probable than the label's; 0 is right

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which answers are right (N,)."""
        right: NDArray[np.bool_] = self.predicted == self.labels
        return right

    @property
    def accuracy(self) -> float:
        """The share of the answers that are right; 0 without any."""
        return float(self.right.mean()) if len(self.labels) else 0.0

    def top(self, k: int) -> float:
        """The share of the pictures whose class is among the k most probable ones."""
        return float(np.mean(self.rank < k)) if len(self.labels) else 0.0


def score(
    prediction: Prediction, labels: NDArray[np.int64], prototypes: NDArray[np.float32]
) -> Scored:
    """Compare a prediction with the true labels (N,)."""
    rows = np.arange(len(labels))
    predicted = prediction.answers
    own = prediction.distances[rows, predicted].astype(np.float64)
    others = prediction.distances.astype(np.float64)
    others[rows, predicted] = np.inf
    return Scored(
        labels,
        predicted,
        geometry.distances(prediction.embedding, prototypes).argmin(1),
        prediction.probabilities[rows, predicted].astype(np.float64),
        own,
        others.min(1) - own,
        prediction.ood_score,
        _ranks(prediction.probabilities, labels),
    )


def _ranks(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many classes come before the label's (N,); of equally probable ones, in their order, so
    that the first is the one that argmax answers.
    """
    own = probabilities[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ranks: NDArray[np.int64] = ((probabilities > own) | ((probabilities == own) & earlier)).sum(1)
    return ranks


def metrics(
    scored: Scored,
    split: str,
    measured: Geometry,
    class_names: Sequence[str],
    *,
    train_accuracy: float | None = None,
    valid_accuracy: float | None = None,
) -> Metrics:
    """The manifest's metrics of a split, with the geometry of the training embeddings."""
    figures = class_figures(
        confusion_matrix(scored.labels, scored.predicted, len(class_names)), class_names
    )
    return Metrics(
        split=split,
        examples=len(scored.labels),
        accuracy=scored.accuracy,
        accuracy_nearest_prototype=float(np.mean(scored.nearest == scored.labels)),
        rules_disagree=int(np.sum(scored.predicted != scored.nearest)),
        expected_calibration_error=calibration_error(scored.confidence, scored.right),
        geometry=measured,
        balanced_accuracy=balanced_accuracy(figures),
        train_accuracy=train_accuracy,
        valid_accuracy=valid_accuracy,
        per_class=figures,
    )


def measure_geometry(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    prototypes: NDArray[np.float32],
    split: str,
) -> Geometry:
    """MinSep, MeanSep, Std, intra-class angle and SCR of a split's embeddings (N, d)."""
    nearest = geometry.nearest_angles(prototypes)
    return Geometry(
        min_sep_deg=float(nearest.min()),
        mean_sep_deg=float(nearest.mean()),
        std_deg=float(nearest.std()),
        intra_class_angle_deg=float(
            geometry.intra_class_angles(embeddings, labels, prototypes).mean()
        ),
        scr=geometry.separation_to_compactness(embeddings, labels, prototypes),
        split=split,
    )


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: mean |accuracy − confidence| over BINS bins, by their size."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / max(len(confidence), 1))


def thresholds(scored: Scored, split: str) -> Thresholds:
    """When to answer `none_of_these` and `ambiguous`, from correctly classified pictures.

    `max_distance` leaves out the 1 % with the highest OOD scores, `min_margin` the 2 % with the
    smallest margins.
    """
    right = scored.right
    if not right.any():  # an untrained model: nothing is refused, nothing is clear
        right = np.ones_like(right)
    return Thresholds(
        max_distance=float(np.quantile(scored.ood_score[right], 1 - TOO_FAR, method="higher")),
        min_margin=float(np.quantile(scored.margin[right], TOO_CLOSE, method="lower")),
        source=(
            f"quantiles over the {int(right.sum())} correctly classified pictures of the {split} "
            f"split: {1 - TOO_FAR:.0%} of the distance, {TOO_CLOSE:.0%} of the margin"
        ),
    )
