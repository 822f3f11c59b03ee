"""Whether to trust an answer."""

from __future__ import annotations

from typing import Literal

from interpret.bundle.manifest import Manifest, Thresholds
from interpret.model.predictor import Prediction
from interpret.trust.calibration import label_margins

Verdict = Literal["accept", "ambiguous", "none_of_these"]
Limit = Literal["max_distance", "min_margin"]

# The limit that a picture passed to get a verdict, and the words that tell the verdict to people.
PASSED: dict[Verdict, Limit | None] = {
    "accept": None,
    "ambiguous": "min_margin",
    "none_of_these": "max_distance",
}
WORDS: dict[Verdict, str] = {
    "accept": "accepted",
    "ambiguous": "ambiguous",
    "none_of_these": "not recognised",
}


def verdict(ood_score: float, margin: float, thresholds: Thresholds) -> Verdict:
    """Whether to trust an answer.

    `ood_score` is the distance to the answer's prototype plus the picture's novelty; `margin` is
    the distance to the nearest other prototype less the distance to the answer's own.
    """
    if ood_score > thresholds.max_distance:
        return "none_of_these"
    return "ambiguous" if margin < thresholds.min_margin else "accept"


def verdicts(prediction: Prediction, manifest: Manifest) -> list[Verdict]:
    """The verdicts on N pictures, by the limits of a bundle."""
    margins = label_margins(prediction.distances, prediction.answers)
    return [
        verdict(score, margin, manifest.limits(away))
        for score, margin, away in zip(
            prediction.ood_score.tolist(), margins.tolist(), prediction.distances, strict=True
        )
    ]
