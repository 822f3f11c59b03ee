"""The attribution methods' names and their result. Their code needs torch, this module does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AttributionMethod = Literal[
    "evidence",
    "fine-evidence",
    "ig",
    "gradcam",
    "guided-gradcam",
    "occlusion",
    "gradient-shap",
    "noise-tunnel",
]

TITLES: dict[AttributionMethod, str] = {
    "evidence": "Exact evidence",
    "fine-evidence": "Fine evidence",
    "ig": "Integrated gradients",
    "gradcam": "Grad-CAM",
    "guided-gradcam": "Guided Grad-CAM",
    "occlusion": "Occlusion",
    "gradient-shap": "Gradient SHAP",
    "noise-tunnel": "Noise tunnel",
}

# The sum of these maps is the margin itself.
EXACT: tuple[AttributionMethod, ...] = ("evidence", "fine-evidence")
# Methods for networks that end in average pooling.
LOCAL: tuple[AttributionMethod, ...] = (*EXACT, "gradcam", "guided-gradcam")


@dataclass(frozen=True)
class Attribution:
    """A map of one margin over a picture; positive values speak for `positive`."""

    method: AttributionMethod
    positive: int
    negative: int
    values: NDArray[np.float64] = field(repr=False)  # (h, w): the evidence grid, or pixels
    margin: float  # ‖h−c_negative‖² − ‖h−c_positive‖² of the picture
    expected_sum: float | None  # of the values, by the method's theory; None: it has none
