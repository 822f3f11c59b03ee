"""The answers about a picture or a prototype: the JSON of the service and of `--json`."""

from __future__ import annotations

from typing import Annotated, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from interpret.trust.verdict import WORDS, Limit, Verdict

Distance = Annotated[float, Field(ge=0, description="Euclidean, in the embedding space")]
Angle = Annotated[float, Field(ge=0, le=180, description="degrees, seen from the origin")]


class View(Protocol):
    """The pictures that belong to an answer, for a notebook; see `interpret.explain.notebook`."""

    def html(self, answer: Classification) -> str:
        """The answer with its pictures."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())

    def __str__(self) -> str:
        return repr(self)


class PrototypeDistance(_Answer):
    """A prototype and how far away it lies: from a picture's embedding or another prototype."""

    label: str
    index: int
    distance: Distance
    angle_deg: Angle

    def __repr__(self) -> str:
        return f"<{self.label!r} at distance {self.distance:.3g}, {self.angle_deg:.1f}°>"


class ModelInfo(_Answer):
    """The model that gave the answer."""

    name: str
    fingerprint: str = Field(description="hash over the whole bundle")


class Limits(_Answer):
    """What the verdict compares: two figures of the picture, and a limit for each."""

    ood_score: float = Field(description="distance to the answer's prototype plus novelty")
    max_distance: float = Field(description="an ood_score above it gives none_of_these")
    margin: float = Field(description="to the nearest other prototype, whatever rival is asked for")
    min_margin: float = Field(
        description="a margin below it gives ambiguous; it depends on which classes are near"
    )
    passed: Limit | None = Field(
        description="the limit that the picture is beyond, the reason of the verdict; null: none"
    )


class Group(_Answer):
    """Several classes, one of which an ambiguous picture is of."""

    name: str
    members: list[str] = Field(description="the classes")
    coverage: float | None = Field(
        description="measured: the share of such groups that hold their picture's class"
    )


class Classification(_Answer):
    """A label and the prototypes that decided it."""

    _view: View | None = PrivateAttr(None)

    label: str = Field(description="the class; with the verdict none_of_these merely the nearest")
    index: int
    probability: Annotated[float, Field(ge=0, le=1)]
    verdict: Verdict
    group: Group | None = Field(
        None,
        description="of an ambiguous answer: the smallest group of classes that holds the "
        "prediction set; null: the answer is not ambiguous, or none holds it",
    )
    limits: Limits
    positive: PrototypeDistance = Field(description="the nearest prototype: the predicted class")
    negative: PrototypeDistance = Field(description="the nearest prototype of any other class")
    margin: float = Field(description="negative.distance − positive.distance")
    novelty: float = Field(
        description="how unlike the training pictures the picture is, less the same of the median "
        "training picture, in units of distance; 0 for a model that does not measure it"
    )
    prototypes: list[PrototypeDistance] = Field(
        description="the nearest ones, nearest first: five, or as many as the request says"
    )
    probabilities: dict[str, float] | None = Field(
        None, description="of every class, by label; null: not asked for"
    )
    model: ModelInfo

    @property
    def recognised(self) -> bool:
        """Whether the answer has a class: false for the verdict none_of_these."""
        return self.verdict != "none_of_these"

    @property
    def headline(self) -> str:
        """The class, or that there is none: the words to put above an answer."""
        return self.label if self.recognised else WORDS[self.verdict]

    def shown_with(self, view: View) -> Self:
        """This answer, drawn in notebooks with the pictures of `view`."""
        self._view = view
        return self

    def __eq__(self, other: object) -> bool:
        # The view is left out: it is no part of the answer.
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        near, far = self.positive, self.negative
        said = f"{self.label!r} {self.probability:.1%}" if self.recognised else self.headline
        return (
            f"<{said} {self.verdict}: nearest {near.label!r} at "
            f"{near.distance:.3g}, then {far.label!r} at {far.distance:.3g}, "
            f"margin {self.margin:.3g}>"
        )

    def _repr_html_(self) -> str | None:
        """The answer in a notebook; None for an answer without a view, which shows as a line."""
        return None if self._view is None else self._view.html(self)


class Example(_Answer):
    """A training image."""

    id: int
    label: str
    distance: float = Field(description="Euclidean, to the query")
    thumbnail: str | None = Field(
        description="path of its thumbnail, /gallery/ID; null: the model comes without pictures"
    )

    def __repr__(self) -> str:
        return f"<training image {self.id}, {self.label!r}, at distance {self.distance:.3g}>"


class Evidence(_Answer):
    """The exact split of the squared-distance margin over the picture."""

    rows: int
    cols: int
    values: list[list[float]] = Field(
        description="rows × cols; their sum is negative.distance² − positive.distance²"
    )
    overlay_png: str = Field(description="the picture tinted by it, a PNG in base64")

    def __repr__(self) -> str:
        total = sum(map(sum, self.values))
        return f"<evidence {self.rows}×{self.cols}, sum {total:.3g} in squared distance>"


class FineEvidence(Evidence):
    """The same split on a finer grid, from shifted copies of the picture."""

    factor: int = Field(description="how much finer than `evidence`, each way")
    exact: str = Field(description="in words: what of it is exact, and what is an estimate")


class Explanation(Classification):
    """A classification and what stands behind it."""

    point: list[float] = Field(description="the picture's place on /map: x, y, z")
    positive_examples: list[Example] = Field(description="nearest to the positive prototype")
    negative_examples: list[Example] = Field(description="nearest to the negative prototype")
    neighbours: list[Example] = Field(description="nearest to this picture")
    evidence: Evidence | None = Field(description="null: the network has no evidence map")
    group_evidence: Evidence | None = Field(
        None,
        description="of an answer with a group: the split of its margin, which is the mean squared "
        "distance to the prototypes of all other classes less that to its members'",
    )
    fine_evidence: FineEvidence | None = Field(
        None,
        description="the finer map; null: not asked for, or the network has none, or a part of "
        "`evidence` is hardly larger than a pixel",
    )


class PrototypeSummary(_Answer):
    """A class's prototype and its nearest rival."""

    label: str
    index: int
    rival: PrototypeDistance = Field(description="the nearest prototype of another class")
