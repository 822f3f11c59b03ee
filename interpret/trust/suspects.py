"""Suspect labels: how probably each label of a data set is wrong, and the evidence on both sides.

Three witnesses give each picture's classes a probability: the classifier, a linear probe fitted to
the *other* folds, and the *other* pictures nearby. Probe and neighbours have not seen the picture's
own label, so a model can audit its own training set. The classifier counts less there, for it has
learnt the labels by heart, the wrong ones too; so have the embeddings that probe and neighbours
look at. What the witnesses only remember is taken away first (`without_memory`).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.geometry.geometry import Array
from interpret.trust.calibration import find_temperature, tempered
from interpret.trust.neighbours import nearest_others

Labels = NDArray[np.int64]

PRECISION = 0.8  # expected of the suspects named: the share whose label is wrong
NEIGHBOURS = 15
FOLDS = 5
# Weights of classifier, probe and neighbours: on labels that the classifier has seen, and others.
_WEIGHTS = ((0.25, 0.5, 0.25), (0.6, 0.3, 0.1))
_RATE = 0.05  # of wrong labels: the first guess
_ROUNDS = 30  # of expectation and maximisation
_SURE = 0.9  # a picture counts as one of a class from this probability on
_SUREST = 0.5  # share of the pictures on which even a weak model's mistakes are few
_PRIOR = 0.5  # this share of a class's mistakes is added, spread evenly over the other classes
_ITERATIONS = 200  # of a probe
_CONTRADICTED = 0.05  # a probe's second round leaves out labels of a smaller probability
_RARE = 1e-9  # smaller probabilities are raised to this
# Share of a label's probability that is kept at least. With less, more wrong labels are named, and
# by a weak network more right ones too.
_LEFT = 0.1
_MOST_MEMORY = 0.9  # the largest μ
# Skill, from guessing (0) to perfect (1), below which no label is named: most pictures on which so
# weak a model and the label disagree are the model's own mistakes.
_TELLS = 0.6
_ENOUGH = 10  # pictures that an accuracy is measured on
# A larger share of suspects says more about the model than about the labels: the test sets that
# Northcutt et al. 2021 checked by hand have 3 % of wrong labels, the worst of them 10 %.
_MOST = 0.2


class Witnesses(NamedTuple):
    """Class probabilities (N, M) by the classifier (calibrated), the probe and the neighbours."""

    classifier: Array
    probe: Array
    neighbours: Array


class Evidence(NamedTuple):
    """What speaks for a label and for another class: each a pair (label, other class)."""

    neighbours: tuple[int, int]  # of NEIGHBOURS nearest other pictures, how many have it
    distances: tuple[float, float]  # to the prototype
    probe: tuple[float, float]  # probability by the probe, which has not seen the label
    classifier: tuple[float, float]  # probability by the classifier


@dataclass(frozen=True)
class Judgement:
    """What the witnesses make of N labels.

    `suspicion` (N,) is the probability that the label is wrong, `suggestion` (N,) the class that
    the witnesses prefer, `nearby` (N, k) the rows of the nearest other pictures. `accuracy` is the
    share of the labels that a witness agrees with which has not seen them: the classifier, and on
    those that it learnt the probe; the lower share where there are both. `why` says why no label
    can be named, "" where some can.
    """

    labels: Labels
    suspicion: Array
    suggestion: Labels
    witnesses: Witnesses
    nearby: NDArray[np.int64]
    accuracy: float
    why: str

    def suspects(self, precision: float = PRECISION) -> NDArray[np.int64]:
        """Rows of the labels to look at, most suspect first: the most of them whose mean suspicion
        is at least `precision`, each more probably wrong than right. None with a `why`.
        """
        if self.why:
            return np.zeros(0, np.int64)
        rows = np.flatnonzero((self.suggestion != self.labels) & (self.suspicion > 0.5))
        rows = rows[np.argsort(-self.suspicion[rows], kind="stable")]
        expected = np.cumsum(self.suspicion[rows]) / np.arange(1, len(rows) + 1)
        return rows[: int((expected >= precision).sum())]  # the mean falls with every row

    def evidence(self, row: int, distances: NDArray[np.floating]) -> Evidence:
        """The evidence on the label of a row; `distances` (N, M) are those to the prototypes."""
        label, other = int(self.labels[row]), int(self.suggestion[row])
        near = self.labels[self.nearby[row]]

        def both(values: NDArray[np.floating]) -> tuple[float, float]:
            return float(values[label]), float(values[other])

        return Evidence(
            (int((near == label).sum()), int((near == other).sum())),
            both(distances[row]),
            both(self.witnesses.probe[row]),
            both(self.witnesses.classifier[row]),
        )


def judge_labels(
    embeddings: NDArray[np.float32],
    probabilities: NDArray[np.floating],
    labels: Labels,
    learnt: NDArray[np.bool_],
) -> Judgement:
    """Judge N labels by embeddings (N, d) and the classifier's probabilities (N, M). `learnt` (N,)
    tells which labels the classifier was trained on; it counts less there.

    The classifier's probabilities are first calibrated by a temperature, for it may be far too
    sure. Of labels that were learnt, what the witnesses remember of them is taken away. The
    weighted geometric mean of the witnesses' probabilities, calibrated again
    (`_calibrated`), and the rates at which labels are mistaken (`mislabelling`) give, by Bayes'
    rule, the probability of each class for a picture *with that label*. So a cat labelled dog is
    the more suspect, the more often cats are labelled dogs. The suspicion is the probability that
    the class is not the label.
    """
    classes = probabilities.shape[1]
    nearby, away = nearest_others(embeddings, NEIGHBOURS)
    heard = Witnesses(
        tempered(probabilities, find_temperature(probabilities, labels)),
        probe_probabilities(embeddings, labels, classes),
        neighbour_probabilities(labels[nearby], away, classes),
    )
    unaided = Witnesses(*(without_memory(given, labels, learnt) for given in heard))
    weights = np.where(learnt[:, None], *_WEIGHTS)
    logs = sum(
        (weights[:, i, None] * np.log(np.maximum(p, _RARE)) for i, p in enumerate(unaided)),
        np.zeros(probabilities.shape),
    )
    mean = _calibrated(logs, labels)
    posterior = _given_label(mean, labels, mislabelling(mean, labels))
    suspicion = 1 - posterior[np.arange(len(labels)), labels]
    suggestion = mean.argmax(1)
    accuracy = _unseen_accuracy(heard.probe, probabilities, labels, learnt)
    named = (suggestion != labels) & (suspicion > 0.5)
    why = _why_not(accuracy, labels, classes, float(named.mean()))
    return Judgement(labels, suspicion, suggestion, heard, nearby, accuracy, why)


def without_memory(probabilities: Array, labels: Labels, learnt: NDArray[np.bool_]) -> Array:
    """A witness's class probabilities (N, M) as if it had not learnt the labels `learnt` (N,).

    Training raises the probability p of each label that is learnt, right or wrong, to
    p + μ (1 − p). The memory μ is what makes the mean over the learnt labels that of the others,
    or less, where the others are few: they count as surer by a standard error. Without labels of
    both kinds nothing is known of it, and the probabilities stay.
    """
    own = probabilities[np.arange(len(labels)), labels]
    known, others = own[learnt], own[~learnt]
    if not len(known) or len(others) < _ENOUGH:
        return probabilities
    unaided = others.mean() + others.std() / math.sqrt(len(others))
    if known.mean() <= unaided:
        return probabilities
    memory = min(float((known.mean() - unaided) / (1 - unaided)), _MOST_MEMORY)
    result = probabilities.copy()
    rows = np.flatnonzero(learnt)
    # The others' sum shrank by the factor 1 − μ, so all are divided by it: by their sum.
    result[rows, labels[rows]] = np.maximum(known - memory, _LEFT * known)
    result /= result.sum(1, keepdims=True)
    return result


def mislabelling(probabilities: Array, labels: Labels) -> Array:
    """How often a picture of class j (row) has the label k (column), (M, M).

    Found by expectation and maximisation (Dempster et al. 1977) from the class probabilities
    (N, M) of pictures. Only pictures of a nearly certain class count, or the classifier's own
    confusions would pass for mislabelling. Some mistakes are added evenly to every pair of
    classes, so that a few pictures do not look like a habit.
    """
    classes = probabilities.shape[1]
    others = 1 - np.eye(classes)
    start = np.eye(classes) * (1 - _RATE) + others * _RATE / max(classes - 1, 1)
    rates: Array = start
    for _ in range(_ROUNDS):
        counts = start.copy()  # as if there were one more picture of each class: some have none
        posterior = _given_label(probabilities, labels, rates) * (probabilities > _SURE)
        np.add.at(counts.T, labels, posterior)
        mistaken = 1 - np.trace(counts) / counts.sum()
        counts += others * _PRIOR * len(labels) / classes * mistaken / max(classes - 1, 1)
        rates = counts / counts.sum(1, keepdims=True)
    return rates


def probe_probabilities(
    embeddings: NDArray[np.float32], labels: Labels, classes: int, seed: int = 0
) -> Array:
    """Class probabilities (N, M) of a logistic regression on the *other* folds.

    It is fitted twice. The second fit leaves out pictures that the first strongly contradicts.
    Where the other folds have a single class the probe says nothing: all classes alike.
    """
    folds = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    spread = embeddings.std(0)
    points = (embeddings - embeddings.mean(0)) / np.where(spread > 0, spread, 1)
    trusted = np.ones(len(labels), bool)
    for _ in range(2):
        result = np.full((len(labels), classes), 1 / classes)
        for fold in range(FOLDS):
            known, asked = (folds != fold) & trusted, folds == fold
            if asked.any() and len(np.unique(labels[known])) > 1:
                result[asked] = _regression(points[known], labels[known], points[asked], classes)
        own = result[np.arange(len(labels)), labels]
        trusted = (own >= _CONTRADICTED) | (result.argmax(1) == labels)
    return result


def neighbour_probabilities(labels: Labels, away: Array, classes: int) -> Array:
    """Class probabilities (N, M): a vote of the nearest other pictures, nearer ones count more.

    `labels` and `away` (N, k) are the neighbours' labels and distances.
    """
    reach = away.mean(1, keepdims=True) if away.shape[1] else np.ones((len(away), 1))
    weights = np.exp(-away / np.where(reach > 0, reach, 1))
    result = np.zeros((len(labels), classes))
    np.add.at(result, (np.arange(len(labels))[:, None], labels), weights)
    # Half a vote for every class together: a few neighbours never make certain.
    share = 0.5 / classes
    votes: Array = (result + share) / (weights.sum(1, keepdims=True) + 0.5)
    return votes


def _calibrated(logits: Array, labels: Labels) -> Array:
    """Class probabilities (N, M) that fit labels of which some are wrong.

    Of the surest half of the pictures, those with another label than the model's are taken for
    wrong labels: their share is ε. The temperature is then the one that fits all labels best, if
    each is wrong with the probability ε. So wrong labels do not make the witnesses less sure than
    they are, and the model's mistakes on hard pictures do not pass for wrong labels.
    """
    own = np.exp(logits)
    own /= own.sum(1, keepdims=True)
    sure = np.argsort(-own.max(1), kind="stable")[: math.ceil(_SUREST * len(own))]
    mistaken = float((own[sure].argmax(1) != labels[sure]).mean())
    return tempered(own, find_temperature(own, labels, wrong=mistaken))


def _unseen_accuracy(
    probe: Array,
    probabilities: NDArray[np.floating],
    labels: Labels,
    learnt: NDArray[np.bool_],
) -> float:
    right = np.where(learnt, probe.argmax(1), probabilities.argmax(1)) == labels
    parts = [right[rows] for rows in (learnt, ~learnt) if rows.sum() >= _ENOUGH]
    return min((float(part.mean()) for part in parts), default=float(right.mean()))


def _why_not(accuracy: float, labels: Labels, classes: int, named: float) -> str:
    counts = np.bincount(labels, minlength=classes)
    chance = counts.max() / counts.sum() if (counts > 0).sum() > 1 else 1 / classes
    told = f"right on {accuracy:.1%} of the labels that it has not seen"
    if chance == 1 or (accuracy - chance) / (1 - chance) < _TELLS:
        return f"the model is too weak to tell: {told}"
    if named > _MOST:
        return f"the model is too weak to tell: it doubts {named:.0%} of the labels, and is {told}"
    return ""


def _given_label(probabilities: Array, labels: Labels, rates: Array) -> Array:
    """Probabilities (N, M) of the true classes of pictures that were given `labels` (N,)."""
    joint = probabilities * rates[:, labels].T
    result: Array = joint / np.maximum(joint.sum(1, keepdims=True), np.finfo(np.float64).tiny)
    return result


def _regression(
    points: NDArray[np.floating], labels: Labels, asked: NDArray[np.floating], classes: int
) -> Array:
    from sklearn.exceptions import ConvergenceWarning  # here: nothing else needs it
    from sklearn.linear_model import LogisticRegression

    result = np.zeros((len(asked), classes))
    with warnings.catch_warnings():
        # A fit that has not converged is close enough for one witness of three.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=_ITERATIONS).fit(points, labels)
    result[:, model.classes_] = model.predict_proba(asked)
    return result
