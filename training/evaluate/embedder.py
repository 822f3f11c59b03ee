"""What a bundle's model says of a split: computed now, or taken from a batch job."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interpret.batch.stored import StoredAnswers
from interpret.bundle.bundle import Bundle
from interpret.model.picture_files import as_text
from interpret.model.predictor import Prediction, Predictor, concatenated
from training.config.errors import DataError
from training.evaluate.labelled import LabelledData, predict_split

_LOG = logging.getLogger(__name__)


class Embedder:
    """Predictions of the splits of a data set.

    With `answers`, the folder of `dpnp predict --embeddings`, only the pictures that it lacks, or
    that changed since, go through the model.
    """

    def __init__(self, bundle: Bundle, data: LabelledData, answers: Path | None = None) -> None:
        """Raises DpnpError for a folder that is of no use."""
        self._bundle, self._data, self._answers = bundle, data, answers
        self._stored = None if answers is None else StoredAnswers(answers, bundle)
        if answers is not None and data.data.root is None:
            raise DataError(
                f"--from {answers}: goes with pictures in files, --data "
                "folder:PATH, webdataset:PATH or parquet:PATH"
            )

    def __call__(self, name: str) -> Prediction:
        """The prediction of a split, without evidence."""
        split, root = self._data.splits[name], self._data.data.root
        if self._stored is None or root is None:
            return self._computed(name, np.arange(len(split)))
        folder = as_text(root.absolute())
        rows = self._stored.rows_of([f"{folder}/{source}" for source in split.sources])
        missing, held = np.flatnonzero(rows < 0), np.flatnonzero(rows >= 0)
        if len(missing) == len(split):
            raise DataError(
                f"--from {self._answers}: has no picture of {self._data.name}, {name}, such as "
                f"{folder}/{split.sources[0]}"
            )
        found = self._stored.prediction(rows[held])
        if not len(missing):
            return found
        _LOG.info(
            "%s: %d of %d pictures are not in %s", name, len(missing), len(split), self._answers
        )
        both = concatenated([found, self._computed(name, missing)])
        return both.part(np.argsort(np.concatenate([held, missing]), kind="stable"))

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self._bundle)

    def _computed(self, name: str, rows: NDArray[np.int64]) -> Prediction:
        predictor, split = self._predictor, self._data.splits[name]
        part = split if len(rows) == len(split) else split.subset(rows)
        return predict_split(predictor, part, predictor.input_size, f"embedding {name}")
