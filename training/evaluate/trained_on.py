"""Which pictures of a data set a bundle was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle

_SAME = 1e-3  # of the embedding's length: float32 in batches of other sizes, nothing more


def trained_on(
    bundle: Bundle, sources: Sequence[str], embeddings: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """For each picture (N,), whether it is in the bundle's gallery: one of the same name, embedded
    (N, d) at the same point. Training pictures that the gallery does not keep are not found.
    """
    rows = {source: row for row, source in enumerate(bundle.gallery.sources)}
    known = np.array([rows.get(source, -1) for source in sources], np.int64)
    found = known >= 0
    kept = bundle.embeddings[known[found]]
    away = np.linalg.norm(embeddings[found] - kept, axis=1)
    found[found] = away <= _SAME * np.linalg.norm(kept, axis=1)
    return found
