"""Novelty: how unlike the training pictures a picture is, to the network's early and late maps.

A network often maps a picture of no class close to a prototype, for training never asked it to
separate such pictures. Two things tell them apart:

- Early maps, of colours and textures: their means over the picture nearly follow a Gaussian on the
  training pictures, and the Mahalanobis distance to its centre is large for another kind of picture
  (Lee et al. 2018, arXiv:1807.03888).
- Late maps: the distance to the nearest training picture, in direction (Sun et al. 2022,
  arXiv:2204.06507), is large for things that look like none of the classes. It is measured to
  centres of the training pictures instead of all, and not on the very last maps' means: training
  leaves little there but what tells the classes apart. A few layers earlier, where the maps are
  narrow, the network still knows more of the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.calibration_record import NoveltyFit
from interpret.model.onnx_novelty import Centres, Gaussian, with_features, with_novelty
from interpret.model.predictor import Predictor
from interpret.model.progress import progress
from training.data.batches import in_order
from training.data.benign_changes import STRONGEST, changed, randomly_changed
from training.data.splits import Split

PICTURES = 20_000  # of the training split, at most
CENTRES = 1_000  # that stand for them, in all: one for ten pictures, at most
_ROUNDS = 8  # of k-means
_BLOCK = 2_048  # rows that are compared with centres at a time


def add_novelty(model: bytes, train: Split) -> tuple[bytes, NoveltyFit | None]:
    """The model with an output `novelty`, in units of distance, from the training pictures.

    Every second picture is taken under a benign change, in turn the strongest one and a random one.
    Each part is scaled to vary on the
    pictures as the distance to the answer's prototype does, so that none drowns the others in
    their sum; the median novelty is 0. A network without early maps stays as it is. Held-out
    pictures are not used, so that limits found on them keep their coverage.
    """
    extended = with_features(model)
    if extended is None or len(train) < 2:
        return model, None
    predictor, names = Predictor(extended[0]), extended[1]
    rows = np.unique(np.linspace(0, len(train) - 1, PICTURES).astype(np.int64))
    pictures = half_changed(train.subset(rows))
    parts = []
    with progress() as bar:
        task = bar.add_task("novelty", total=len(rows))
        for chunk in in_order(len(rows), 512):
            pixels = pictures.subset(chunk.numpy()).pixels(predictor.input_size, "")
            parts.append(predictor.run((*names, "distances", "probabilities"), pixels))
            bar.advance(task, len(pixels))
    (early, *late, distances, probabilities) = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    away = np.take_along_axis(distances, probabilities.argmax(1)[:, None], 1)[:, 0]
    mean, whitening = gaussian(early)
    lengths = np.linalg.norm((early - mean) @ whitening, axis=1)
    scale = _scale(away, lengths)
    whole, found = scale * lengths, []
    for features in late:
        units = on_unit_sphere(features)
        points = class_centres(units, pictures.labels, min(CENTRES, max(1, len(rows) // 10)))
        near = to_nearest(units, points)
        found.append(Centres(points, _scale(away, near)))
        whole = whole + found[-1].scale * near
    fitted = NoveltyFit(
        pictures=len(rows),
        features=len(mean),
        late_features=sum(part.shape[1] for part in late),
        centres=len(found[0].points) if found else 0,
    )
    early_fit = Gaussian(mean, scale * whitening)
    return with_novelty(model, early_fit, found, float(np.median(whole))), fitted


def half_changed(split: Split) -> Split:
    """The pictures of a split, every fourth under the strongest benign change, and every fourth
    under a random one.
    """
    turn = np.arange(len(split)) % 4
    return changed(randomly_changed(split, 0, turn == 1), STRONGEST, turn == 3)


def _scale(away: NDArray[np.floating], part: NDArray[np.floating]) -> float:
    return float(away.std() / part.std()) if part.std() > 0 else 0.0


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


def on_unit_sphere(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (N, F) divided by their lengths; a row of zeros stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units: NDArray[np.float32] = (features / np.maximum(lengths, 1e-6)).astype(np.float32)
    return units


def class_centres(
    units: NDArray[np.float32], labels: NDArray[np.int64], count: int
) -> NDArray[np.float16]:
    """Up to `count` points (C, F) that stand for rows (N, F): each class's k-means, with as many
    centres for every class; with more classes than `count`, rows evenly over all of them.
    """
    present = np.unique(labels)
    if len(present) > count:
        return units[_evenly(len(units), count)].astype(np.float16)
    each = count // len(present)
    return np.concatenate([_k_means(units[labels == c], each) for c in present]).astype(np.float16)


def _k_means(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Lloyd's algorithm from rows evenly over all, so the same rows give the same centres."""
    if len(rows) <= count:
        return rows
    centres = rows[_evenly(len(rows), count)]
    for _ in range(_ROUNDS):
        own = (rows @ centres.T - np.square(centres).sum(1) / 2).argmax(1)
        sizes = np.bincount(own, minlength=count)
        member = (own == np.arange(count)[:, None]).astype(np.float32)
        moved = member @ rows / np.maximum(sizes, 1)[:, None]
        centres = np.where(sizes[:, None] > 0, moved, centres).astype(np.float32)
    return centres


def _evenly(total: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, total - 1, min(count, total)).astype(np.int64))


def to_nearest(units: NDArray[np.float32], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The distance (N,) from each row to the nearest of the points (C, F)."""
    wide = points.astype(np.float32)
    squares = np.square(wide, dtype=np.float64).sum(1)
    found = []
    for start in range(0, len(units), _BLOCK):
        block = units[start : start + _BLOCK]
        nearest = (squares - 2 * (block @ wide.T)).min(1) + np.square(block).sum(1)
        found.append(np.sqrt(np.maximum(nearest, 0)))
    return np.concatenate(found)
