"""Learning-rate schedules, as factors of the initial rate by step."""

from __future__ import annotations

import math

WARM_UP = 0.2  # share of a one-cycle run in which the rate rises


def factor(schedule: str, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The factor at optimizer step `step`, counted from 0.

    "step" is the paper's: ÷10 at 25 %, 50 % and 75 % of the epochs. "onecycle" rises linearly
    from 1/10 and falls along a cosine to 0.
    """
    if schedule == "step":
        drops = sum(step // steps_per_epoch >= int(share * epochs) for share in (0.25, 0.5, 0.75))
        return float(0.1**drops)
    position = step / (steps_per_epoch * epochs)
    if position < WARM_UP:
        return 0.1 + 0.9 * position / WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (position - WARM_UP) / (1 - WARM_UP))
