"""The exact evidence map: where in the picture the decision comes from.

The embedding h is the mean of per-location embeddings f_xy, so the margin of squared distances
‖h−c_neg‖² − ‖h−c_pos‖² = 2 (c_pos − c_neg)·h + ‖c_neg‖² − ‖c_pos‖² is a sum over locations. (The
two norms cancel on the sphere.) No gradient, no approximation: the map's sum is the margin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

# Evidence against the class is blue, none leaves the picture as it is, for it is red.
_AGAINST, _FOR = np.array([33, 102, 172]), np.array([214, 47, 39])
_STRONGEST_TINT = 0.75  # the picture stays visible below the strongest evidence


def evidence_map(
    local: NDArray[np.floating],
    positive: NDArray[np.floating],
    negative: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Split ‖h−negative‖² − ‖h−positive‖² over locations.

    `local` (d, h, w) are the per-location embeddings, `positive` and `negative` (d,) two
    prototypes. Returns (h, w) float64 in squared distance units: positive values speak for
    `positive`; the sum is the margin.
    """
    local, positive, negative = (
        np.asarray(a, dtype=np.float64) for a in (local, positive, negative)
    )
    rows, cols = local.shape[1:]
    linear = 2 * np.einsum("d,dyx->yx", positive - negative, local)
    split: NDArray[np.float64] = (linear + negative @ negative - positive @ positive) / (
        rows * cols
    )
    return split


def overlay(
    pixels: NDArray[np.uint8], evidence: NDArray[np.floating], size: int | None = None
) -> Image.Image:
    """The picture (S, S, 3) tinted by its evidence (h, w): red speaks for, blue against.

    The tint is proportional to |evidence|, the strongest location gets the strongest tint, and
    zero gets none, so the sign can always be read. `size` is the side of the result in pixels.
    """
    side = size or len(pixels)
    picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    strongest = float(np.abs(evidence).max()) or 1.0
    scaled = Image.fromarray((evidence / strongest).astype(np.float32))
    strength = np.asarray(scaled.resize((side, side), Image.Resampling.BILINEAR))[..., None]
    opacity = _STRONGEST_TINT * np.abs(strength)
    tinted = np.asarray(picture) * (1 - opacity) + np.where(strength > 0, _FOR, _AGAINST) * opacity
    return Image.fromarray(tinted.round().astype(np.uint8))
