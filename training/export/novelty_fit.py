"""Novelty: how unusual a picture's colours and textures are, against the training pictures.

A network often maps a picture of no class close to a prototype, for training never asked it to
separate such pictures. Its early maps, of colours and textures, still tell them apart. The maps'
means over the picture nearly follow a Gaussian on the training pictures; novelty is the
Mahalanobis distance to its centre (Lee et al. 2018, arXiv:1807.03888).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.manifest import NoveltyFit
from interpret.model.onnx_novelty import with_features, with_novelty
from interpret.model.predictor import Predictor
from interpret.model.progress import progress
from training.data.batches import in_order
from training.data.splits import Split

PICTURES = 10_000  # of the training split, at most


def add_novelty(model: bytes, train: Split) -> tuple[bytes, NoveltyFit | None]:
    """The model with an output `novelty`, in units of distance, from the training pictures.

    The Mahalanobis distances are scaled to vary on those pictures as the distance to the answer's
    prototype does, so that neither drowns the other in their sum; the median novelty is 0. A
    network without early maps stays as it is. Held-out pictures are not used, so that limits found
    on them keep their coverage.
    """
    extended = with_features(model)
    if extended is None or len(train) < 2:
        return model, None
    predictor = Predictor(extended)
    rows = np.unique(np.linspace(0, len(train) - 1, PICTURES).astype(np.int64))
    parts = []
    with progress() as bar:
        task = bar.add_task("novelty", total=len(rows))
        for chunk in in_order(len(rows), 512):
            pixels = train.subset(rows[chunk.numpy()]).pixels(predictor.input_size, "")
            parts.append(predictor.run(("features", "distances", "probabilities"), pixels))
            bar.advance(task, len(pixels))
    features, distances, probabilities = (np.concatenate(c) for c in zip(*parts, strict=True))
    mean, whitening = gaussian(features)
    lengths = np.linalg.norm((features - mean) @ whitening, axis=1)
    away = np.take_along_axis(distances, probabilities.argmax(1)[:, None], 1)
    scale = float(away.std() / lengths.std()) if lengths.std() else 0.0
    fitted = NoveltyFit(pictures=len(rows), features=len(mean))
    return with_novelty(model, mean, scale * whitening, scale * float(np.median(lengths))), fitted


def gaussian(features: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (F,) and whitening (F, F) of rows (N, F): the length of a whitened difference to the
    mean is the Mahalanobis distance. The covariance is shrunk by Ledoit and Wolf's estimate.
    """
    from sklearn.covariance import ledoit_wolf

    values = features.astype(np.float64)
    covariance, _ = ledoit_wolf(values)
    # A map that is constant on the training pictures has no measure; it gets the smallest one.
    floor = 1e-9 * max(float(np.trace(covariance)), 1.0) / len(covariance)
    size, axes = np.linalg.eigh(covariance)
    return values.mean(0), axes / np.sqrt(np.maximum(size, floor))
