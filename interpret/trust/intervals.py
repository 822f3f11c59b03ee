"""How far a measured share may be from the true one."""

from __future__ import annotations

import math

LEVEL = 0.95
_Z = 1.959963984540054  # standard deviations that hold LEVEL of a normal distribution


def wilson_interval(right: int, examples: int) -> tuple[float, float]:
    """The 95 % interval of a share, of which `right` of `examples` were seen (Wilson 1927).

    Unlike accuracy ± 2 standard errors it stays within [0, 1], and is not empty when all or none
    are right. Without examples it is (0, 1): nothing is known.
    """
    if examples == 0:
        return 0.0, 1.0
    share, spread = right / examples, _Z**2 / examples
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    # At 0 and 1 the two are equal but for rounding.
    return max(0.0, middle - half), min(1.0, middle + half)
