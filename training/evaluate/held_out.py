"""Held-out pictures for a change of the head: their features, and which answers flip."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import pixel_hash
from interpret.model.predictor import Prediction, Predictor, concatenated
from interpret.model.progress import progress
from training.data.batches import in_order
from training.data.splits import Split
from training.evaluate.labelled import CHUNK, LabelledData

Labels = NDArray[np.int64]
_SAME = 0.05  # relative: what another machine may change in an embedding
_ENOUGH = 0.9  # of the gallery's rows must be found for their features to be of use


class HeldOut(NamedTuple):
    """Pictures of one split: which rows they are, their predictions with features, their labels."""

    name: str
    rows: NDArray[np.int64]
    prediction: Prediction
    labels: Labels

    def part(self, chosen: NDArray[np.int64]) -> HeldOut:
        """Some of the pictures."""
        return HeldOut(
            self.name, self.rows[chosen], self.prediction.part(chosen), self.labels[chosen]
        )

    @property
    def features(self) -> NDArray[np.float32]:
        """Pooled features (N, F)."""
        assert self.prediction.pooled is not None
        return self.prediction.pooled


class GalleryFeatures(NamedTuple):
    """Pooled features (n, F) of some rows (n,) of a gallery."""

    rows: NDArray[np.int64]
    features: NDArray[np.floating]


class ClassChange(NamedTuple):
    """The share of a class's pictures that are answered right; None without pictures."""

    label: str
    examples: int
    before: float | None
    after: float | None


class Comparison(NamedTuple):
    """Answers to held-out pictures before and after a change."""

    split: str
    examples: int
    before: float  # accuracy
    after: float
    righted: int  # pictures that were answered wrong and are answered right
    wronged: int  # pictures that were answered right and are answered wrong
    other: int  # pictures with another wrong answer
    per_class: list[ClassChange]

    @property
    def loss(self) -> float:
        """Accuracy that the change costs; negative: that it gains."""
        return self.before - self.after

    @property
    def pays(self) -> ClassChange | None:
        """The class that loses the largest share of its right answers; None: no class loses."""
        losing = [c for c in self.per_class if c.before is not None and c.after is not None]
        found = max(losing, key=lambda c: (c.before or 0) - (c.after or 0), default=None)
        if found is None or (found.before or 0) <= (found.after or 0):
            return None
        return found


def compare(
    split: str, labels: Labels, before: Labels, after: Labels, class_names: Sequence[str]
) -> Comparison:
    """Compare two sets of answers (N,) to pictures with these labels."""
    was, is_now = before == labels, after == labels
    changes = []
    for index, name in enumerate(class_names):
        own = labels == index
        shares = [float(right[own].mean()) if own.any() else None for right in (was, is_now)]
        changes.append(ClassChange(name, int(own.sum()), *shares))
    return Comparison(
        split,
        len(labels),
        float(was.mean()),
        float(is_now.mean()),
        int((~was & is_now).sum()),
        int((was & ~is_now).sum()),
        int((~was & ~is_now & (before != after)).sum()),
        changes,
    )


def held_out(bundle: Bundle, data: LabelledData, name: str, known: Collection[str]) -> HeldOut:
    """The pictures of a split whose pixels are not among those `known` by their hash."""
    predictor, split = Predictor(bundle, pooled=True), data.splits[name]
    parts, new = [], []
    with progress() as bar:
        task = bar.add_task(name, total=len(split))
        for rows in in_order(len(split), CHUNK):
            pixels = split.subset(rows.numpy()).pixels(predictor.input_size, "")
            parts.append(predictor(pixels))
            new += [pixel_hash(picture) not in known for picture in pixels]
            bar.advance(task, len(pixels))
    kept = np.flatnonzero(new)
    return HeldOut(name, kept, concatenated(parts).part(kept), data.labels[name][kept])


def gallery_features(bundle: Bundle, train: Split) -> GalleryFeatures | None:
    """Rows of the gallery and their pooled features: those in the bundle, or computed from the
    training pictures that the gallery names. None when too few of them are the same pictures.
    """
    stored = bundle.features()
    if stored is not None:
        return GalleryFeatures(np.arange(len(stored)), stored)
    places = {source: row for row, source in enumerate(train.sources)}
    named = [(row, places[s]) for row, s in enumerate(bundle.gallery.sources) if s in places]
    if len(named) < max(1, _ENOUGH * len(bundle.gallery.ids)):
        return None
    rows, found = (np.array(column, np.int64) for column in zip(*named, strict=True))
    predictor, parts = Predictor(bundle, pooled=True), []
    with progress() as bar:
        task = bar.add_task("gallery", total=len(found))
        for chunk in in_order(len(found), CHUNK):
            part = train.subset(found[chunk.numpy()])
            parts.append(predictor(part.pixels(predictor.input_size, "")))
            bar.advance(task, len(part))
    whole = concatenated(parts)
    away = np.linalg.norm(whole.embedding - bundle.embeddings[rows], axis=1)
    same = away <= _SAME * np.linalg.norm(bundle.embeddings[rows], axis=1)
    if same.sum() < _ENOUGH * len(bundle.gallery.ids):
        return None
    assert whole.pooled is not None
    return GalleryFeatures(rows[same], whole.pooled[same])
