"""Auditing a labelled data set by a model's embeddings: label errors, duplicates, leaks, outliers.

A label is suspect when three witnesses together prefer another class: the classifier, a linear
probe fitted to the *other* folds, and the *other* pictures nearby. Probe and neighbours have not
seen the picture's own label, so a model can audit its own training set. The classifier counts less
there, for it has learnt the labels by heart, the wrong ones too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.missing_parts import named_parts
from interpret.geometry.geometry import Array
from interpret.trust.calibration import find_temperature, tempered

with named_parts():
    import faiss

Labels = NDArray[np.int64]
Kind = Literal["label", "duplicate", "leak", "outlier"]
TITLES: dict[Kind, str] = {
    "label": "Label errors",
    "leak": "Leaks between splits",
    "duplicate": "Near-duplicates",
    "outlier": "Outliers",
}

FOLDS = 5
_LEARNT = "train"  # the split whose labels the classifier has seen
# Weights of classifier, probe and neighbours: on labels that the classifier has seen, and others.
_WEIGHTS = ((0.25, 0.5, 0.25), (0.6, 0.3, 0.1))
_RATE = 0.05  # of wrong labels: the first guess
_ROUNDS = 30  # of expectation and maximisation
_SURE = 0.9  # a picture counts as one of a class from this probability on
_PRIOR = 0.5  # this share of a class's mistakes is added, spread evenly over the other classes
_ITERATIONS = 200  # of a probe
_CONTRADICTED = 0.05  # a probe's second round leaves out labels of a smaller probability
_RARE = 1e-9  # smaller probabilities are raised to this
NEIGHBOURS = 15
SIGNATURE = 16  # pixels a side of the small pictures in which duplicates are looked for
SAME = 0.985  # two such pictures are near-duplicates from this correlation on
_CONTRAST = 6.0  # a picture whose 0–255 values have a smaller standard deviation has no signature
FAR = 4.0  # an outlier's score is above this


class Finding(NamedTuple):
    """Something about one picture, or a pair, that a person should look at."""

    kind: Kind
    row: int
    score: float  # larger is surer, within a kind
    other: int | None = None  # the other picture of a pair
    suggestion: int | None = None  # the class that a suspect label should perhaps be


@dataclass(frozen=True)
class Audit:
    """All findings, each kind ranked, surest first; and every picture's label suspicion (N,)."""

    findings: list[Finding]
    suspicion: Array

    def of(self, kind: Kind) -> list[Finding]:
        """The findings of one kind, surest first."""
        return [finding for finding in self.findings if finding.kind == kind]


def audit(
    embeddings: NDArray[np.float32],
    probabilities: NDArray[np.floating],
    labels: Labels,
    splits: Sequence[str],
    signatures: NDArray[np.float32],
) -> Audit:
    """Audit N pictures: embeddings (N, d), the classifier's probabilities (N, M), labels, the
    split of each, and `signatures` (see `signature`).
    """
    learnt = np.array([split == _LEARNT for split in splits])
    suspicion, suggestion = label_suspicion(embeddings, probabilities, labels, learnt)
    found = [
        Finding("label", int(row), float(suspicion[row]), suggestion=int(suggestion[row]))
        for row in np.argsort(-suspicion, kind="stable")
        if suggestion[row] != labels[row]
    ]
    for a, b, alike in near_duplicates(signatures):
        kind: Kind = "duplicate" if splits[a] == splits[b] else "leak"
        found.append(Finding(kind, a, alike, other=b))
    strange = outlier_scores(embeddings, labels)
    found += [
        Finding("outlier", int(row), float(strange[row]))
        for row in np.argsort(-strange, kind="stable")
        if strange[row] > FAR
    ]
    return Audit(found, suspicion)


def label_suspicion(
    embeddings: NDArray[np.float32],
    probabilities: NDArray[np.floating],
    labels: Labels,
    learnt: NDArray[np.bool_],
) -> tuple[Array, Labels]:
    """The suspicion of each label (N,), in [0, 1], and the class that the witnesses prefer (N,).

    A label that is the preferred class is not suspect. `learnt` (N,) tells which labels the
    classifier was trained on; it counts less there.

    The classifier's probabilities are first calibrated by a temperature, for it may be far too
    sure. The weighted geometric mean of the witnesses' probabilities and the rates at which labels
    are mistaken (`mislabelling`) give, by Bayes' rule, the probability of each class for a picture
    *with that label*. So a cat labelled dog is the more suspect, the more often cats are labelled
    dogs. The suspicion is the probability that the class is not the label.
    """
    classes = probabilities.shape[1]
    heard = (
        tempered(probabilities, find_temperature(probabilities, labels)),
        probe_probabilities(embeddings, labels, classes),
        neighbour_probabilities(embeddings, labels, classes),
    )
    weights = np.where(learnt[:, None], *_WEIGHTS)
    logs = sum(
        (weights[:, i, None] * np.log(np.maximum(p, _RARE)) for i, p in enumerate(heard)),
        np.zeros(probabilities.shape),
    )
    mean = np.exp(logs)
    mean /= mean.sum(1, keepdims=True)
    posterior = _given_label(mean, labels, mislabelling(mean, labels))
    return 1 - posterior[np.arange(len(labels)), labels], mean.argmax(1)


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


def _given_label(probabilities: Array, labels: Labels, rates: Array) -> Array:
    """Probabilities (N, M) of the true classes of pictures that were given `labels` (N,)."""
    joint = probabilities * rates[:, labels].T
    result: Array = joint / np.maximum(joint.sum(1, keepdims=True), np.finfo(np.float64).tiny)
    return result


def probe_probabilities(
    embeddings: NDArray[np.float32], labels: Labels, classes: int, seed: int = 0
) -> Array:
    """Class probabilities (N, M) of a logistic regression on the *other* folds.

    It is fitted twice. The second fit leaves out pictures that the first strongly contradicts.
    """
    folds = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    spread = embeddings.std(0)
    points = (embeddings - embeddings.mean(0)) / np.where(spread > 0, spread, 1)
    trusted = np.ones(len(labels), bool)
    for _ in range(2):
        result = np.zeros((len(labels), classes))
        for fold in range(FOLDS):
            known, asked = (folds != fold) & trusted, folds == fold
            result[asked] = _regression(points[known], labels[known], points[asked], classes)
        own = result[np.arange(len(labels)), labels]
        trusted = (own >= _CONTRADICTED) | (result.argmax(1) == labels)
    return result


def _regression(
    points: NDArray[np.floating], labels: Labels, asked: NDArray[np.floating], classes: int
) -> Array:
    from sklearn.exceptions import ConvergenceWarning  # here: nothing else needs it
    from sklearn.linear_model import LogisticRegression

    result, present = np.zeros((len(asked), classes)), np.unique(labels)
    if len(present) == 1:
        result[:, present] = 1
        return result
    with warnings.catch_warnings():
        # A fit that has not converged is close enough for one witness of three.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=_ITERATIONS).fit(points, labels)
    result[:, model.classes_] = model.predict_proba(asked)
    return result


def neighbour_probabilities(embeddings: NDArray[np.float32], labels: Labels, classes: int) -> Array:
    """Class probabilities (N, M): a vote of the nearest other pictures, nearer ones count more."""
    rows, away = nearest_others(embeddings, NEIGHBOURS)
    reach = away.mean(1, keepdims=True)
    weights = np.exp(-away / np.where(reach > 0, reach, 1))
    result = np.zeros((len(labels), classes))
    np.add.at(result, (np.arange(len(labels))[:, None], labels[rows]), weights)
    # Half a vote for every class together: a few neighbours never make certain.
    share = 0.5 / classes
    votes: Array = (result + share) / (weights.sum(1, keepdims=True) + 0.5)
    return votes


def nearest_others(
    points: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and distances (N, k) of the nearest points to each, itself left out."""
    points = np.ascontiguousarray(points, dtype=np.float32)
    k = min(k, len(points) - 1)
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    _, rows = index.search(points, k + 1)
    # Each point finds itself first. Among exact copies it may not find itself: then the farthest
    # of its neighbours is left out.
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(1), -1] = True
    others = rows[~own].reshape(len(points), k)
    away = np.linalg.norm(points[:, None, :] - points[others], axis=2).astype(np.float64)
    return others, away


def outlier_scores(embeddings: NDArray[np.float32], labels: Labels) -> Array:
    """How far each picture (N,) is from its neighbours of any class, in robust standard
    deviations of that distance within its label, on a log scale.
    """
    _, away = nearest_others(embeddings, NEIGHBOURS)
    typical = np.log(np.maximum(away.mean(1), np.finfo(np.float32).tiny))
    result = np.zeros(len(labels))
    for label in np.unique(labels):
        own = labels == label
        middle = np.median(typical[own])
        spread = 1.4826 * np.median(np.abs(typical[own] - middle))
        result[own] = (typical[own] - middle) / (spread or 1.0)
    return result


def signature(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Small pictures (N, 16, 16, 3) as unit vectors (N, 768) without brightness and contrast.

    The product of two is their correlation. A picture without contrast gives zeros, so that it is
    like no other.
    """
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    enough = norms > _CONTRAST * np.sqrt(flat.shape[1])
    unit: NDArray[np.float32] = np.divide(flat, norms, out=np.zeros_like(flat), where=enough)
    return unit


def near_duplicates(signatures: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Pairs of pictures (a, b, correlation) whose correlation is at least SAME, most alike first.

    Of a large cluster not all pairs are found, but for each picture those with its nearest five.
    """
    index = faiss.IndexFlatIP(signatures.shape[1])
    index.add(signatures)
    alike, rows = index.search(signatures, min(6, len(signatures)))
    pairs = {
        (min(a, b), max(a, b)): float(value)
        for a, (found, values) in enumerate(zip(rows.tolist(), alike.tolist(), strict=True))
        for b, value in zip(found, values, strict=True)
        if value >= SAME and a != b
    }
    return sorted(((a, b, v) for (a, b), v in pairs.items()), key=lambda pair: -pair[2])
