"""Training images near a picture or a prototype, as they stand in an answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.explain.answers import Example
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.gallery_access import thumbnail_path

_KEPT = 256  # searches around prototypes that are remembered


class Examples:
    """The examples of one bundle. Those of its prototypes are the same for every picture."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._gallery = bundle, Gallery(bundle)
        self._of_prototypes: dict[tuple[int, int], list[Example]] = {}

    def near(self, embedding: NDArray[np.float32], k: int) -> list[Example]:
        """The k training images nearest to an embedding (1, d), nearest first."""
        found, table = self._gallery.search(embedding, k), self._bundle.gallery
        names = self._bundle.manifest.class_names
        return [
            Example(
                id=int(table.ids[row]),
                label=names[table.labels[row]],
                distance=distance,
                thumbnail=thumbnail_path(self._bundle, row),
            )
            for row, distance in zip(
                found.rows[0].tolist(), found.distances[0].tolist(), strict=True
            )
        ]

    def of_prototype(self, index: int, k: int) -> list[Example]:
        """The k training images nearest to the prototype of a class."""
        found = self._of_prototypes.get((index, k))
        if found is None:
            found = self.near(self._bundle.prototypes[index : index + 1], k)
            if len(self._of_prototypes) >= _KEPT:
                self._of_prototypes.clear()
            self._of_prototypes[index, k] = found
        return list(found)
