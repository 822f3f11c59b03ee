"""How faithful a bundle's explanations are on labelled pictures."""

from __future__ import annotations

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.explain.faithfulness import Faithfulness, measure_faithfulness
from training.evaluate.labelled import LabelledData


def evaluate_explanations(
    bundle: Bundle, data: LabelledData, split: str, count: int
) -> list[Faithfulness]:
    """The figures of every attribution method on `count` pictures, evenly over a split."""
    pictures = data.splits[split]
    rows = np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(np.int64))
    return measure_faithfulness(
        bundle, pictures.subset(rows).pixels(bundle.manifest.input_size, "decoding")
    )
