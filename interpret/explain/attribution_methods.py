"""The names of the attribution methods and what they give, apart from their code, which needs
torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal[
    "evidence",
    "fine-evidence",
    "ig",
    "gradcam",
    "guided-gradcam",
    "occlusion",
    "gradient-shap",
    "noise-tunnel",
]

TITLES: dict[Method, str] = {
    "evidence": "Exact evidence",
    "fine-evidence": "Fine evidence",
    "ig": "Integrated gradients",
    "gradcam": "Grad-CAM",
    "guided-gradcam": "Guided Grad-CAM",
    "occlusion": "Occlusion",
    "gradient-shap": "Gradient SHAP",
    "noise-tunnel": "Noise tunnel",
}

EXACT: tuple[Method, ...] = ("evidence", "fine-evidence")  # their sum is the margin itself


@dataclass(frozen=True)
class Attribution:
    """A map of one margin over a picture; positive values speak for `positive`."""

    method: Method
    positive: int
    negative: int
    values: NDArray[np.float64] = field(repr=False)  # (h, w): the evidence grid, or pixels
    margin: float  # ‖h−c_negative‖² − ‖h−c_positive‖² of the picture
    expected_sum: float | None  # what the values should add up to; None: nothing is promised
