"""A calibrated verdict: limits for each class by split-conformal prediction, and a temperature.

Two limits for each class guard an answer. Both are found on held-out pictures:

- `max_distance` is a high quantile of the OOD scores of the pictures *answered* with the class. A
  larger score gives `none_of_these`.
- `min_margin` comes from the margins of the pictures that *are* of the class: the distance to the
  nearest other prototype less the distance to the class's own. The classes whose margin is large
  enough form a conformal prediction set. An answer alone in the set is an `accept`; with several
  classes in it, or none, it is `ambiguous`. Each class has its own limit. So what an answer needs
  depends on which classes are near: `margins_needed`.

The class of a new picture is kept when it is in the set and the answer is not `none_of_these`. The
chance of that is at least the stated coverage for every network, if new pictures are like the
held-out ones. So the held-out pictures come in copies: as they are, and under benign changes
(another format, light, a small shift). `max_distance` may lose half of the share that the
coverage leaves, and `min_margin` as much of it as `max_distance` does not use.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.calibration_record import Calibration, ReliabilityBin, margins_needed
from interpret.bundle.errors import DpnpError
from interpret.geometry.geometry import Array
from interpret.model.predictor import Prediction
from interpret.trust.confusion import confusion_matrix, confusions
from interpret.trust.metrics import BINS, calibration_error

Labels = NDArray[np.int64]
COVERAGE = 0.95
_HALVES = 10  # random halves of the held-out pictures that the limits are tried on
_CONFUSIONS = 12  # kept in the manifest
_TINIEST = 1e-30  # a probability that float32 rounded to 0 is raised to this
_TEMPERATURES = (0.05, 50.0)


class Limits(NamedTuple):
    """The two thresholds of each class (M,), and which classes had too few pictures."""

    max_distance: Array
    margin: Array  # of a class, to be in the prediction set; may be negative
    pooled: NDArray[np.bool_]

    def min_margin(self) -> Array:
        """The margin (M,) with which an answer stands alone in the prediction set, whatever rivals
        are near.

        Its own class must be in the set. The nearest rival must not: the rival's margin is the
        answer's with the sign changed, so the answer's must be above the rival's limit negated.
        """
        rivals = np.array(
            [np.delete(-self.margin, own).max(initial=-np.inf) for own in range(len(self.margin))]
        )
        needed: Array = np.maximum(self.margin, np.nextafter(rivals, np.inf))
        return needed

    def rival_margin(self) -> Array:
        """How much farther (M,) than the answer a class must be to be out of the set."""
        return -self.margin


def conformal_quantile(scores: Array, coverage: float, copies: int = 1) -> float:
    """The ⌈(n + 1)·coverage·copies⌉-th smallest score of n pictures in as many `copies` each;
    infinite when there are too few.

    The chance that a score of a new picture, in any of the copies, is above it is at most
    1 − coverage: for all copies of the new picture may be above those of the n known ones.
    """
    rank = _rank(len(scores) // copies + 1, coverage, copies)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def _rank(pictures: int, coverage: float, copies: int) -> int:
    """How many of the scores of so many pictures, the new one among them, a quantile must reach."""
    return math.ceil(pictures * coverage * copies - 1e-9)


def fewest(coverage: float) -> int:
    """The number of pictures that it takes to promise the coverage from one half of them."""
    share = (1 + coverage) / 2
    return 2 * math.ceil(share / (1 - share) - 1e-9)


def label_margins(distances: NDArray[np.floating], labels: Labels) -> Array:
    """The margin of each picture's label (N,): the distance to the nearest other prototype less the
    distance to the label's own.
    """
    rows = np.arange(len(labels))
    others = distances.astype(np.float64)
    own = others[rows, labels].copy()
    others[rows, labels] = np.inf
    nearest: Array = others.min(1) - own
    return nearest


def find_limits(prediction: Prediction, labels: Labels, coverage: float, copies: int = 1) -> Limits:
    """The limits of every class from held-out pictures and their labels (N,), which come in as many
    `copies` of each.

    A class with too few pictures gets the limits of all classes together.
    """
    answers, classes = prediction.answers, prediction.distances.shape[1]
    score, share = prediction.ood_score, (1 + coverage) / 2
    far, few, lost = _quantiles(score, answers, classes, share, copies)
    gap = -label_margins(prediction.distances, labels)  # larger is stranger, as for the distance
    share = coverage + float(lost[answers].mean())
    close, fewer, _ = _quantiles(gap, labels, classes, share, copies)
    return Limits(far, -close, few | fewer)


def in_copies(pictures: NDArray[np.int64], whole: int, copies: int) -> NDArray[np.int64]:
    """The rows of some of `whole` pictures that come in copies: all of them, then all again."""
    rows: NDArray[np.int64] = (pictures + whole * np.arange(copies)[:, None]).ravel()
    return rows


def _quantiles(
    scores: Array, groups: Labels, classes: int, share: float, copies: int
) -> tuple[Array, NDArray[np.bool_], Array]:
    """For each class (M,): the conformal quantile of its scores, whether it is that of all classes
    together, since the class has too few, and the share of new scores above it.
    """
    own = [conformal_quantile(scores[groups == c], share, copies) for c in range(classes)]
    found = np.array(own)
    pooled = np.isinf(found)
    found[pooled] = conformal_quantile(scores, share, copies)
    sizes = np.where(pooled, len(scores), np.bincount(groups, minlength=classes))
    pictures = sizes // copies + 1
    reached = np.array([_rank(int(n), share, copies) for n in pictures])
    lost: Array = 1 - reached / (pictures * copies)
    return found, pooled, lost


def kept(prediction: Prediction, labels: Labels, limits: Limits) -> NDArray[np.bool_]:
    """Which pictures (N,) keep their class: in the prediction set, and not called strange."""
    in_set = label_margins(prediction.distances, labels) >= limits.margin[labels]
    return in_set & _near(prediction, limits)


def accepted(prediction: Prediction, limits: Limits) -> NDArray[np.bool_]:
    """Which answers (N,) get the verdict `accept`."""
    answers = prediction.answers
    needed = margins_needed(prediction.distances, limits.rival_margin())
    clear = label_margins(prediction.distances, answers) >= needed
    return clear & _near(prediction, limits)


def _near(prediction: Prediction, limits: Limits) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = prediction.ood_score <= limits.max_distance[prediction.answers]
    return near


def find_temperature(
    probabilities: NDArray[np.floating], labels: Labels, wrong: float = 0.0
) -> float:
    """The temperature T that minimises the sum of −log p of the labels, plus ½ log²T.

    The second term weighs less than one wrong picture. Without it a model that is right on all
    held-out pictures would get ever smaller temperatures. Each label may be `wrong` with this
    probability: then it is any other class, all alike.
    """
    from scipy.optimize import minimize_scalar  # here: the service does not need SciPy
    from scipy.special import log_softmax

    logits = np.log(np.maximum(probabilities.astype(np.float64), _TINIEST))

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / math.exp(log_temperature), axis=1)
        own = logs[np.arange(len(labels)), labels]
        if wrong:
            others = -np.expm1(own) / max(logits.shape[1] - 1, 1)
            own = np.log((1 - wrong) * np.exp(own) + wrong * others + _TINIEST)
        return float(-own.sum()) + log_temperature**2 / 2

    bounds = tuple(math.log(t) for t in _TEMPERATURES)
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def tempered(probabilities: NDArray[np.floating], temperature: float) -> Array:
    """The probabilities (N, M) that the logits divided by `temperature` give."""
    from scipy.special import softmax  # here: the service does not need SciPy

    logits = np.log(np.maximum(probabilities.astype(np.float64), _TINIEST))
    scaled: Array = softmax(logits / temperature, axis=1)
    return scaled


def calibrate(
    prediction: Prediction,
    labels: Labels,
    class_names: list[str],
    split: str,
    coverage: float = COVERAGE,
    copies: int = 1,
) -> Calibration:
    """Limits and temperature from held-out pictures, with what they achieve there.

    The pictures come in `copies`, first as they are; only the limits are found on all copies.
    Raises DpnpError when there are too few pictures to promise the coverage.
    """
    pictures = len(labels) // copies
    if pictures < (least := fewest(coverage)):
        raise DpnpError(
            f"{pictures} pictures are too few for a coverage of {coverage:.0%}; it takes {least}"
        )
    limits = find_limits(prediction, labels, coverage, copies)
    halves = _on_other_halves(prediction, labels, coverage, copies)
    prediction, labels = prediction.part(slice(pictures)), labels[:pictures]
    predicted = prediction.answers
    temperature = find_temperature(prediction.probabilities, labels)
    right = predicted == labels
    scaled = tempered(prediction.probabilities, temperature)
    matrix = confusion_matrix(labels, predicted, len(class_names))
    return Calibration(
        split=split,
        examples=len(labels),
        coverage=coverage,
        max_distance=limits.max_distance.tolist(),
        min_margin=limits.min_margin().tolist(),
        rival_margin=limits.rival_margin().tolist(),
        pooled=[name for name, few in zip(class_names, limits.pooled, strict=True) if few],
        **halves,
        changes=copies - 1,
        temperature=temperature,
        expected_calibration_error=calibration_error(scaled.max(1), right),
        expected_calibration_error_before=calibration_error(
            prediction.probabilities.max(1).astype(np.float64), right
        ),
        reliability=reliability(scaled.max(1), right),
        confusions=confusions(matrix, class_names)[:_CONFUSIONS],
    )


def coverage_on(
    held_out: tuple[Prediction, Labels],
    others: tuple[Prediction, Labels],
    coverage: float,
    copies: int = 1,
) -> tuple[float, float]:
    """The shares of other labelled pictures that keep their class, and that are accepted, with the
    limits of the held-out ones, which come in `copies`.
    """
    trial, labels = others
    limits = find_limits(*held_out, coverage, copies)
    return float(kept(trial, labels, limits).mean()), float(accepted(trial, limits).mean())


def reliability(confidence: Array, right: NDArray[np.bool_]) -> list[ReliabilityBin]:
    """The bins of the calibration error that hold pictures."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        ReliabilityBin(
            examples=int((bins == b).sum()),
            confidence=float(confidence[bins == b].mean()),
            accuracy=float(right[bins == b].mean()),
        )
        for b in np.unique(bins)
    ]


def _on_other_halves(
    prediction: Prediction, labels: Labels, coverage: float, copies: int
) -> dict[str, Any]:
    """What new pictures can expect: limits of a random half, tried on the other half, averaged.

    Coverage is measured on all copies, what is accepted on the pictures as they are.
    """
    kept_share, accepted_share, right = [], 0, 0
    whole = len(labels) // copies
    for seed in range(_HALVES):
        order = np.random.default_rng(seed).permutation(whole)
        fit, rest = (in_copies(o, whole, copies) for o in np.split(order, [whole // 2]))
        limits = find_limits(prediction.part(fit), labels[fit], coverage, copies)
        kept_share.append(kept(prediction.part(rest), labels[rest], limits).mean())
        rest = order[whole // 2 :]
        trial = prediction.part(rest)
        taken = accepted(trial, limits)
        accepted_share += taken.sum() / len(rest) / _HALVES
        right += (taken & (trial.answers == labels[rest])).sum() / len(rest) / _HALVES
    return {
        "measured_coverage": float(np.mean(kept_share)),
        "accepted": float(accepted_share),
        "accuracy_of_accepted": float(right / accepted_share) if accepted_share else None,
    }
