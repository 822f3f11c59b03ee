import re
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.manifest import Thresholds
from interpret.trust.verdict import WORDS, verdict

LIMITS = Thresholds(max_distance=0.9, min_margin=0.1, source="chosen by hand")


@pytest.mark.parametrize(
    ("distance", "margin", "expected"),
    [
        (0.9, 0.1, "accept"),  # both limits belong to what is accepted
        (np.nextafter(0.9, 1), 0.1, "none_of_these"),
        (0.9, np.nextafter(0.1, 0), "ambiguous"),
        (0, -0.01, "ambiguous"),
        (2, 0, "none_of_these"),  # too far comes before too close a call
    ],
)
def test_the_verdict_s_borders(distance: float, margin: float, expected: str) -> None:
    assert verdict(distance, margin, LIMITS) == expected


def test_the_explorer_says_a_verdict_in_the_same_words():
    page = Path(__file__).parents[3] / "serving" / "page" / "parts" / "verdicts.js"
    words = re.findall(r'^  (\w+): \{\s+word: "([^"]+)"', page.read_text(), re.MULTILINE)
    assert dict(words) == WORDS
