"""From a prediction to classifications: for each picture the nearest prototypes and a verdict."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.explain.answers import (
    Classification,
    Group,
    Limits,
    ModelInfo,
    PrototypeDistance,
)
from interpret.geometry.geometry import chosen_angles, smallest
from interpret.model.predictor import Prediction
from interpret.trust.groups import group_of
from interpret.trust.verdict import PASSED, verdict


class Classifier:
    """Words a bundle's predictions.

    NumPy sees all pictures of a prediction at once: a call takes it as long for one picture as for
    sixteen.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.model = ModelInfo(name=manifest.name, fingerprint=manifest.fingerprint)
        self._manifest, self._prototypes = manifest, bundle.prototypes

    def __call__(
        self, prediction: Prediction, top: int, probabilities: bool
    ) -> list[Classification]:
        """A classification for each picture.

        Each lists the `top` nearest prototypes, and on request the probability of every class.
        """
        answered = prediction.answers
        # On the sphere the predicted class is the nearest by construction, but for a rounding tie.
        # A method without a sphere (CE, CL) may answer a class whose prototype is not the nearest.
        ranked = prediction.distances.copy()
        ranked[np.arange(len(ranked)), answered] = -np.inf
        shown = self.seen(prediction, smallest(ranked, max(top, 2)))
        novelty = prediction.novelty.tolist()
        return [
            self._classification(prediction, row, shown[row], novelty[row], top, probabilities)
            for row in range(len(shown))
        ]

    def seen(
        self, prediction: Prediction, chosen: NDArray[np.integer]
    ) -> list[list[PrototypeDistance]]:
        """The prototypes of the classes `chosen` (N, k), seen from the picture of their row."""
        names = self._manifest.class_names
        away = prediction.distances[np.arange(len(chosen))[:, None], chosen]
        degrees = chosen_angles(prediction.embedding, self._prototypes, chosen)
        columns = chosen.tolist(), away.tolist(), degrees.tolist()
        return [
            [
                PrototypeDistance(label=names[i], index=i, distance=distance, angle_deg=angle)
                for i, distance, angle in zip(*row, strict=True)
            ]
            for row in zip(*columns, strict=True)
        ]

    def _classification(
        self,
        prediction: Prediction,
        row: int,
        shown: list[PrototypeDistance],
        novelty: float,
        top: int,
        probabilities: bool,
    ) -> Classification:
        positive, negative = shown[:2]
        margin, score = negative.distance - positive.distance, positive.distance + novelty
        limits = self._manifest.limits(prediction.distances[row])
        found = verdict(score, margin, limits)
        shares = prediction.probabilities[row]
        every = shares.tolist() if probabilities else ()
        return Classification(
            label=positive.label,
            index=positive.index,
            probability=float(shares[positive.index]),
            verdict=found,
            group=self._group(prediction.distances[row]) if found == "ambiguous" else None,
            limits=Limits(
                ood_score=score,
                max_distance=limits.max_distance,
                margin=margin,
                min_margin=limits.min_margin,
                passed=PASSED[found],
            ),
            positive=positive,
            negative=negative,
            margin=margin,
            novelty=novelty,
            prototypes=shown[:top],
            probabilities=dict(zip(self._manifest.class_names, every, strict=True))
            if every
            else None,
            model=self.model,
        )

    def _group(self, away: NDArray[np.float32]) -> Group | None:
        groups = self._manifest.groups
        node = group_of(away, groups, self._manifest.class_names)
        if node is None or groups is None:
            return None
        return Group(**node.model_dump(), coverage=groups.measured_coverage)
