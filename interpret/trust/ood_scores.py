"""Scores that tell pictures of no class from the model's own, and how well each one does.

Every score is larger for pictures that are less like the training pictures. Three are known from
the literature: maximum softmax, energy, and the distance to the k-th nearest neighbour. The others
come from the prototypes and the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import OutOfDistribution
from interpret.bundle.manifest import Manifest
from interpret.geometry.geometry import Array
from interpret.model.predictor import Prediction
from interpret.retrieval.gallery import Gallery
from interpret.trust.verdict import Verdict, verdicts

RIVALS = ("maximum softmax", "energy", "k-th neighbour")
NEIGHBOUR = 10
NOISE = 500  # pictures of the built-in noise
PASS = 0.95  # of the own pictures
_TINY = 1e-12


@dataclass(frozen=True)
class GalleryStatistics:
    """The numbers of a bundle that the scores need, each class's usual distance (M,) and more."""

    gallery: Gallery
    usual_distance: Array
    usual_norm: float
    scale: float  # of the inner products in the softmax

    @classmethod
    def of(cls, bundle: Bundle) -> GalleryStatistics:
        """Measured on the gallery. A class without pictures there gets the median of all."""
        own = np.linalg.norm(bundle.embeddings - bundle.prototypes[bundle.gallery.labels], axis=1)
        whole = float(np.median(own)) if len(own) else 1.0
        labels = bundle.gallery.labels
        usual = [
            float(np.median(own[labels == c])) if (labels == c).any() else whole
            for c in range(len(bundle.prototypes))
        ]
        norms = np.linalg.norm(bundle.embeddings, axis=1)
        return cls(
            Gallery(bundle),
            np.maximum(usual, _TINY),
            float(np.median(norms)) if len(norms) else 1.0,
            bundle.manifest.radius or float(np.linalg.norm(bundle.prototypes, axis=1).mean()),
        )


def scores(prediction: Prediction, reference: GalleryStatistics) -> dict[str, Array]:
    """Each score (N,) of N pictures; those of the evidence only where the network has it."""
    from scipy.special import logsumexp  # here: the service does not need it

    away = prediction.distances.astype(np.float64)
    probabilities = prediction.probabilities.astype(np.float64)
    answer = probabilities.argmax(1)
    own = away[np.arange(len(away)), answer]
    ranked = np.sort(away, axis=1)
    norm = np.linalg.norm(prediction.embedding.astype(np.float64), axis=1)
    nearest = reference.gallery.search(prediction.embedding, NEIGHBOUR).distances
    found: dict[str, Array] = {
        "maximum softmax": 1 - probabilities.max(1),
        # −log Σ exp(logits) up to a constant: on the sphere ‖h−c‖² = ‖h‖² + α² − 2 c·h.
        "energy": -logsumexp((norm[:, None] ** 2 - away**2) / (2 * reference.scale), axis=1),
        "k-th neighbour": nearest[:, -1].astype(np.float64) if nearest.size else own,
        "distance": own,
        "distance and novelty": prediction.ood_score,
        "class-wise distance": own / reference.usual_distance[answer],
        "margin": ranked[:, 0] - ranked[:, 1],
        "short embedding": -norm,
        "odd length": np.abs(np.log(np.maximum(norm, _TINY) / reference.usual_norm)),
    }
    if prediction.evidence is not None:
        local = np.linalg.norm(prediction.evidence.astype(np.float64), axis=1).mean((1, 2))
        found["faint evidence"] = -local
        found["distance over evidence"] = own / np.maximum(local, _TINY)
    return found


def auroc(strange: Array, usual: Array) -> float:
    """The chance that a strange picture scores higher than a usual one, ties counted half."""
    from sklearn.metrics import roc_auc_score  # here: the service does not need it

    is_strange = np.repeat([1, 0], [len(strange), len(usual)])
    return float(roc_auc_score(is_strange, np.concatenate([strange, usual])))


def average_precision(strange: Array, usual: Array) -> float:
    """The area under precision against recall, where strange pictures are to be found (AUPR)."""
    from sklearn.metrics import average_precision_score  # here: the service does not need it

    is_strange = np.repeat([1, 0], [len(strange), len(usual)])
    return float(average_precision_score(is_strange, np.concatenate([strange, usual])))


def passed(strange: Array, usual: Array) -> float:
    """The share of strange pictures at or below the score that 95 % of the usual ones have at most
    (FPR at 95 % TPR).
    """
    return float((strange <= np.quantile(usual, PASS, method="inverted_cdf")).mean())


def compare(
    usual: dict[str, Array],
    strange: Prediction,
    reference: GalleryStatistics,
    manifest: Manifest,
    name: str,
) -> OutOfDistribution:
    """How every score tells pictures of no class, and the share of each verdict there."""
    found = scores(strange, reference)
    return OutOfDistribution(
        data=name,
        examples=len(strange.distances),
        auroc={score: auroc(found[score], usual[score]) for score in usual},
        average_precision={s: average_precision(found[s], usual[s]) for s in usual},
        passed={s: passed(found[s], usual[s]) for s in usual},
        verdicts=verdict_shares(strange, manifest),
    )


def verdict_shares(prediction: Prediction, manifest: Manifest) -> dict[str, float]:
    """The share of each verdict among N pictures."""
    given = verdicts(prediction, manifest)
    return {each: given.count(each) / len(given) for each in get_args(Verdict)}


def noise(size: int, count: int = NOISE) -> NDArray[np.uint8]:
    """Pictures (N, S, S, 3) of noise: one half of single pixels, the other of coarse blots."""
    generator = np.random.default_rng(0)
    fine = generator.integers(0, 256, (count - count // 2, size, size, 3))
    cells = max(2, size // 8)
    coarse = generator.integers(0, 256, (count // 2, cells, cells, 3))
    rows = np.arange(size) * cells // size
    blots = coarse[:, rows[:, None], rows[None, :]]
    return np.concatenate([fine, blots]).astype(np.uint8)
