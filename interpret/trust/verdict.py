"""Whether to trust an answer."""

from __future__ import annotations

from typing import Literal

from interpret.bundle.manifest import Thresholds

Verdict = Literal["accept", "ambiguous", "none_of_these"]


def verdict(ood_score: float, margin: float, thresholds: Thresholds) -> Verdict:
    """Whether to trust an answer.

    `ood_score` is the distance to the answer's prototype plus the picture's novelty; `margin` is
    the distance to the nearest other prototype less the distance to the answer's own.
    """
    if ood_score > thresholds.max_distance:
        return "none_of_these"
    return "ambiguous" if margin < thresholds.min_margin else "accept"
