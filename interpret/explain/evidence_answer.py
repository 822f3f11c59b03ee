"""An evidence map as it stands in an answer: its values, and the overlay as a PNG."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
from numpy.typing import NDArray

from interpret.explain.answers import Evidence
from interpret.explain.evidence import overlay

OVERLAY_SIDE = 224  # pixels


def evidence_answer(pixels: NDArray[np.uint8], values: NDArray[np.float64]) -> Evidence:
    """The map (h, w) over the picture (S, S, 3)."""
    buffer = io.BytesIO()
    # Quick compression: the overlay is sent once, and its last bytes would cost more time than
    # they save. Run lengths do nearly all of the work, for the picture is enlarged.
    picture = overlay(pixels, values, OVERLAY_SIDE)
    picture.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return Evidence(
        rows=values.shape[0],
        cols=values.shape[1],
        values=values.tolist(),
        overlay_png=base64.b64encode(buffer.getvalue()).decode(),
    )
