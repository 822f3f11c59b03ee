"""From a prediction to an answer: label, positive and negative prototype, examples, evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import ImageError, OwnRivalError
from interpret.bundle.gallery_table import sampled
from interpret.explain.answers import (
    Classification,
    Evidence,
    Example,
    Explanation,
    Group,
    PrototypeDistance,
    PrototypeSummary,
)
from interpret.explain.classify import Classifier
from interpret.explain.evidence import evidence_map, group_evidence
from interpret.explain.evidence_answer import evidence_answer
from interpret.explain.examples import Examples
from interpret.explain.notebook import NotebookView
from interpret.geometry.geometry import nearest_rivals, paired_angles
from interpret.model.images import PICTURE_TYPES, Picture, Preprocessing, as_image
from interpret.model.predictor import AnyPredictor, Device, Pixels, Prediction, Predictor
from interpret.retrieval.projection import Projection

NEAREST_SHOWN = 5  # prototypes listed with each answer
BATCH = 64  # pictures of a list, read and classified at a time


class Explainer:
    """A bundle ready to answer.

    `predict` and `explain` take pictures of any kind and size (see `Picture`). `classify`,
    `explain_pixels` and `similar_to_image` take pixels that are already fitted to the model.
    """

    def __init__(self, bundle: Bundle, predictor: AnyPredictor | None = None) -> None:
        """`predictor` runs the bundle's model; the default is a new `Predictor`."""
        self.bundle = bundle
        self.predictor = Predictor(bundle) if predictor is None else predictor
        self.preprocessing = Preprocessing.of(bundle.manifest)
        self._examples = Examples(bundle)
        self.projection = Projection(
            np.concatenate([bundle.prototypes, sampled(bundle.embeddings)])
        )
        self._classifier = Classifier(bundle)
        self.model = self._classifier.model

    @classmethod
    def load(
        cls, path: str | Path, *, threads: int | None = None, device: Device = "auto"
    ) -> Explainer:
        """Read and verify the bundle at `path`; `threads` and `device` as in `Predictor`.

        Raises BundleError.
        """
        bundle = Bundle.load(path)
        return cls(bundle, Predictor(bundle, threads=threads, device=device))

    def __repr__(self) -> str:
        classes, dim = self.bundle.prototypes.shape
        return f"<Explainer {self.model.name!r}: {classes} classes in {dim} dimensions>"

    @overload
    def predict(self, pictures: Picture) -> Classification: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, pictures: Sequence[Picture]) -> list[Classification]: ...
    def predict(
        self, pictures: Picture | Sequence[Picture]
    ) -> Classification | list[Classification]:
        """The answer for a picture, or one for each picture of a list or tuple.

        Raises ImageError for a picture that cannot be read.
        """
        if not isinstance(pictures, PICTURE_TYPES):
            return list(self._predictions(pictures))
        [answer] = self.classify(self.preprocessing(as_image(pictures))[None])
        return answer.shown_with(self._view(pictures))

    def explain(
        self,
        picture: Picture,
        k: int = 6,
        *,
        positive: str | None = None,
        negative: str | None = None,
    ) -> Explanation:
        """The answer for one picture with examples and evidence; see `explain_pixels`.

        Raises ImageError for a picture that cannot be read.
        """
        pixels = self.preprocessing(as_image(picture))
        answer = self.explain_pixels(pixels, k, positive=positive, negative=negative)
        return answer.shown_with(self._view(picture))

    def _view(self, picture: Picture) -> NotebookView:
        return NotebookView(self.bundle, self.preprocessing, picture)

    def _predictions(self, pictures: Sequence[Picture]) -> Iterator[Classification]:
        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            pixels = np.stack([self._fitted(n, p) for n, p in enumerate(batch, start)])
            for picture, answer in zip(batch, self.classify(pixels), strict=True):
                yield answer.shown_with(self._view(picture))

    def _fitted(self, number: int, picture: Picture) -> NDArray[np.uint8]:
        try:
            return self.preprocessing(as_image(picture))
        except ImageError as error:
            if isinstance(picture, str | Path):  # the message names the file
                raise
            raise type(error)(f"picture {number}: {error}") from error

    def classify(
        self, pixels: Pixels, *, top: int = NEAREST_SHOWN, probabilities: bool = False
    ) -> list[Classification]:
        """An answer for each of the pictures, uint8 RGB (N, S, S, 3).

        Each lists the `top` nearest prototypes, and on request the probability of every class.
        """
        return self.answers(self.predictor(pixels), top=top, probabilities=probabilities)

    def answers(
        self, prediction: Prediction, *, top: int = NEAREST_SHOWN, probabilities: bool = False
    ) -> list[Classification]:
        """The answers that follow from a prediction; `top` and `probabilities` as in `classify`."""
        return self._classifier(prediction, top, probabilities)

    def explain_pixels(
        self,
        pixels: NDArray[np.uint8],
        k: int = 6,
        *,
        positive: str | None = None,
        negative: str | None = None,
        top: int = NEAREST_SHOWN,
        probabilities: bool = False,
    ) -> Explanation:
        """The answer for one picture (S, S, 3), with k examples of each kind and the evidence.

        `positive` and `negative` ask "why this class and not that": prototypes, margin, examples
        and evidence are then those of these two classes, whatever the answer's label is; `top` and
        `probabilities` are as in `classify`. Raises UnknownLabelError, or OwnRivalError for a
        class against itself.
        """
        prediction, asked = self.predictor(pixels[None], evidence=True), (positive, negative)
        return self.explained(
            pixels, prediction, k, asked=asked, top=top, probabilities=probabilities
        )

    def explained(
        self,
        pixels: NDArray[np.uint8],
        prediction: Prediction,
        k: int = 6,
        *,
        asked: tuple[str | None, str | None] = (None, None),
        top: int = NEAREST_SHOWN,
        probabilities: bool = False,
    ) -> Explanation:
        """As `explain_pixels`, from the picture's prediction with `evidence`; `asked` are
        `positive` and `negative`.
        """
        [answer] = self._classifier(prediction, top, probabilities)
        if asked != (None, None):
            answer = self._asked(answer, prediction, *asked)
        centres = self.bundle.prototypes[[answer.positive.index, answer.negative.index]]
        return Explanation(
            **dict(answer),
            point=self.projection(prediction.embedding)[0].tolist(),
            positive_examples=self._examples.of_prototype(answer.positive.index, k),
            negative_examples=self._examples.of_prototype(answer.negative.index, k),
            neighbours=self._examples.near(prediction.embedding, k),
            evidence=None
            if prediction.evidence is None
            else evidence_answer(pixels, evidence_map(prediction.evidence[0], *centres)),
            group_evidence=self._group_evidence(pixels, prediction, answer.group),
        )

    def similar_to_image(self, pixels: NDArray[np.uint8], k: int) -> list[Example]:
        """The k training images nearest to one picture (S, S, 3)."""
        return self._examples.near(self.predictor(pixels[None]).embedding, k)

    def similar_to_prototype(self, label: str, k: int) -> list[Example]:
        """The k training images nearest to a class's prototype. Raises UnknownLabelError."""
        return self._examples.of_prototype(self.bundle.class_index(label), k)

    def prototypes(self, offset: int = 0, limit: int | None = None) -> list[PrototypeSummary]:
        """The classes from `offset` on, all or `limit` of them, each with its nearest rival."""
        centres, names = self.bundle.prototypes, self.bundle.manifest.class_names
        rows = np.arange(len(names))[offset:][:limit]
        rivals, between = nearest_rivals(centres, rows)
        columns = rows, rivals, between, paired_angles(centres[rows], centres[rivals])
        return [
            PrototypeSummary(
                label=names[i],
                index=i,
                rival=PrototypeDistance(label=names[j], index=j, distance=away, angle_deg=angle),
            )
            for i, j, away, angle in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def _asked(
        self,
        answer: Classification,
        prediction: Prediction,
        positive: str | None,
        negative: str | None,
    ) -> Classification:
        """The answer with other prototypes: None keeps the answer's class, or the nearest rival."""
        find = self.bundle.class_index
        taken = answer.index if positive is None else find(positive)
        away = prediction.distances[0].copy()
        away[taken] = np.inf
        rival = int(away.argmin()) if negative is None else find(negative)
        if taken == rival:
            name = self.bundle.manifest.class_names[taken]
            raise OwnRivalError(f"{name!r} against itself: give two different classes")
        [[near, far]] = self._classifier.seen(prediction, np.array([[taken, rival]]))
        margin = far.distance - near.distance
        return answer.model_copy(update={"positive": near, "negative": far, "margin": margin})

    def _group_evidence(
        self, pixels: NDArray[np.uint8], prediction: Prediction, group: Group | None
    ) -> Evidence | None:
        """The evidence for the answer's group against all other classes."""
        if group is None or prediction.evidence is None:
            return None
        inside = np.isin(self.bundle.manifest.class_names, group.members)
        return evidence_answer(
            pixels, group_evidence(prediction.evidence[0], self.bundle.prototypes, inside)
        )
