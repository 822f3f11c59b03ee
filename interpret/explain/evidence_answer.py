"""Evidence maps as they stand in an answer: their values, and the overlay as a PNG."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
from numpy.typing import NDArray

from interpret.explain.answers import Evidence, Explanation, FineEvidence
from interpret.explain.enlarged_png import enlarged_png
from interpret.explain.evidence import even_squares, overlay, tinted
from interpret.explain.fine_evidence import finer, useful_factor
from interpret.model.predictor import AnyPredictor

OVERLAY_SIDE = 224  # pixels


def evidence_answer(pixels: NDArray[np.uint8], values: NDArray[np.float64]) -> Evidence:
    """The map (h, w) over the picture (S, S, 3)."""
    return Evidence(
        rows=values.shape[0],
        cols=values.shape[1],
        values=values.tolist(),
        overlay_png=base64.b64encode(_overlay_png(pixels, values)).decode(),
    )


def _overlay_png(pixels: NDArray[np.uint8], values: NDArray[np.float64]) -> bytes:
    if even_squares(pixels, values, OVERLAY_SIDE):
        return enlarged_png(tinted(pixels, values, len(pixels)), OVERLAY_SIDE // len(pixels))
    buffer = io.BytesIO()
    # Quick compression: the overlay is sent once, and its last bytes would cost more time than
    # they save.
    picture = overlay(pixels, values, OVERLAY_SIDE)
    picture.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def with_fine_evidence(
    explanation: Explanation,
    pixels: NDArray[np.uint8],
    prototypes: NDArray[np.floating],
    predictor: AnyPredictor,
) -> Explanation:
    """The explanation of a picture (S, S, 3) with the finer map of the same two classes.

    The predictor runs on factor² shifted pictures more, 16 at most. The explanation stays as it is
    where nothing is finer: see `useful_factor`.
    """
    plain = explanation.evidence
    factor = 1 if plain is None else useful_factor(len(pixels), (plain.rows, plain.cols))
    if plain is None or factor == 1:
        return explanation
    centres = prototypes[[explanation.positive.index, explanation.negative.index]]
    coarse = np.array(plain.values)
    values = finer(predictor, pixels, coarse, centres[0], centres[1], factor)
    fine = FineEvidence(
        **dict(evidence_answer(pixels, values)),
        factor=factor,
        exact=f"Each block of {factor}×{factor} values sums to its value of `evidence`, so all of "
        "them to the same total. How a block's sum is spread in it is an estimate.",
    )
    return explanation.model_copy(update={"fine_evidence": fine})
