"""Auditing a labelled data set by a model: suspect labels, copies, leaks, outliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.geometry.geometry import Array
from interpret.model.predictor import Prediction
from interpret.trust.copies import Likeness, Looks, copies
from interpret.trust.neighbours import outlier_scores
from interpret.trust.suspects import (
    NEIGHBOURS,
    PRECISION,
    Evidence,
    Judgement,
    Labels,
    judge_labels,
)

Kind = Literal["label", "leak", "duplicate", "outlier"]
TITLES: dict[Kind, str] = {
    "label": "Suspect labels",
    "leak": "Leaks between splits",
    "duplicate": "Copies in a split",
    "outlier": "Outliers",
}
LEARNT = "train"  # the split whose labels the classifier has seen
FAR = 4.0  # an outlier's score is above this


class Finding(NamedTuple):
    """Something about one picture, or a pair, that a person should look at."""

    kind: Kind
    row: int
    score: float  # larger is surer, within a kind; of a label, the probability that it is wrong
    other: int | None = None  # the other picture of a pair
    suggestion: int | None = None  # the class that a suspect label should perhaps be
    evidence: Evidence | None = None  # on a suspect label
    likeness: Likeness | None = None  # of a pair


@dataclass(frozen=True)
class Audit:
    """All findings, each kind ranked, surest first; and every picture's label suspicion (N,).

    `accuracy` is the share of the labels that the model gets right without having seen them. `why`
    says why no label is named, "" where some may be. `expected` is the share of the suspects named
    whose label is probably wrong, None without a suspect.
    """

    findings: list[Finding]
    suspicion: Array
    accuracy: float = 0.0
    why: str = ""
    expected: float | None = None

    def of(self, kind: Kind) -> list[Finding]:
        """The findings of one kind, surest first."""
        return [finding for finding in self.findings if finding.kind == kind]


def audit(
    prediction: Prediction,
    labels: Labels,
    splits: Sequence[str],
    looks: Looks,
    *,
    settled: NDArray[np.bool_] | None = None,
    precision: float = PRECISION,
) -> Audit:
    """Audit N pictures: the model's prediction, labels, the split of each, and how they look.

    `settled` (N,) are pictures that a person has decided on: nothing is found about them, but in a
    pair with one that is not settled. Suspect labels are named as long as the expected share of
    wrong ones is at least `precision`.
    """
    done = np.zeros(len(labels), bool) if settled is None else settled
    learnt = np.array([split == LEARNT for split in splits])
    judged = judge_labels(prediction.embedding, prediction.probabilities, labels, learnt)
    suspects = judged.suspects(precision)
    suspects = suspects[~done[suspects]]
    return Audit(
        [
            *(_suspect(judged, int(row), prediction.distances) for row in suspects),
            *_pairs(looks, splits, done),
            *_outliers(prediction.embedding, labels, done),
        ],
        judged.suspicion,
        judged.accuracy,
        judged.why,
        float(judged.suspicion[suspects].mean()) if len(suspects) else None,
    )


def _suspect(judged: Judgement, row: int, distances: NDArray[np.floating]) -> Finding:
    return Finding(
        "label",
        row,
        float(judged.suspicion[row]),
        suggestion=int(judged.suggestion[row]),
        evidence=judged.evidence(row, distances),
    )


def _pairs(looks: Looks, splits: Sequence[str], done: NDArray[np.bool_]) -> list[Finding]:
    return [
        Finding(
            "duplicate" if splits[pair.first] == splits[pair.second] else "leak",
            pair.first,
            pair.correlation,
            other=pair.second,
            likeness=pair.likeness,
        )
        for pair in copies(looks)
        if not (done[pair.first] and done[pair.second])
    ]


def _outliers(
    embeddings: NDArray[np.float32], labels: Labels, done: NDArray[np.bool_]
) -> list[Finding]:
    strange = outlier_scores(embeddings, labels, NEIGHBOURS)
    return [
        Finding("outlier", int(row), float(strange[row]))
        for row in np.argsort(-strange, kind="stable")
        if strange[row] > FAR and not done[row]
    ]
