"""Whether to trust an answer."""

from __future__ import annotations

from typing import Literal

from interpret.bundle.manifest import Thresholds

Verdict = Literal["accept", "ambiguous", "none_of_these"]


def verdict(strangeness: float, margin: float, thresholds: Thresholds) -> Verdict:
    """Whether to trust an answer, from its strangeness (the distance to its prototype, and the
    picture's novelty) and its margin.
    """
    if strangeness > thresholds.max_distance:
        return "none_of_these"
    return "ambiguous" if margin < thresholds.min_margin else "accept"
