"""Schedules by step: the learning rate, as a factor of the initial one, and λ_pos."""

from __future__ import annotations

import math

WARM_UP = 0.2  # share of a one-cycle run in which the rate rises
# Shares of the epochs after which the rate falls to a tenth: the paper's, and its flowers'.
DROPS = {"step": (0.25, 0.5, 0.75), "late-step": (0.5, 0.75)}


def rate_factor(schedule: str, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The learning rate's factor at optimizer step `step`, counted from 0.

    "step" and "late-step" are the paper's, see DROPS. "onecycle" rises linearly from 1/10 and
    falls along a cosine to 0. Steps below 0 are a warm-up's, at the initial rate.
    """
    if step < 0:
        return 1.0
    if schedule in DROPS:
        epoch = step // steps_per_epoch
        return float(0.1 ** sum(epoch >= int(share * epochs) for share in DROPS[schedule]))
    position = step / (steps_per_epoch * epochs)
    if position < WARM_UP:
        return 0.1 + 0.9 * position / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (position - WARM_UP) / (1 - WARM_UP))


def lambda_pos_at(step: int, steps: int, start: float | None, end: float) -> float:
    """The pull weight λ_pos at `step` of `steps`: from `start` to `end` in equal ratios; `end`
    throughout without a start.

    A weak pull lets the network learn first how classes look; a strong one at the end makes them
    compact.
    """
    if start is None:
        return end
    return float(start * (end / start) ** min(max(step / steps, 0.0), 1.0))
