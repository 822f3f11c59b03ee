"""The answers: what is said about a picture or a prototype, as the JSON of service and `--json`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from interpret.trust.verdict import Verdict

Distance = Annotated[float, Field(ge=0, description="Euclidean, in the embedding space")]
Angle = Annotated[float, Field(ge=0, le=180, description="degrees, seen from the origin")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class PrototypeDistance(_Answer):
    """A prototype and how far away it lies: from a picture's embedding or another prototype."""

    label: str
    index: int
    distance: Distance
    angle_deg: Angle


class ModelInfo(_Answer):
    """The model that gave the answer."""

    name: str
    fingerprint: str = Field(description="hash over the whole bundle")


class Classification(_Answer):
    """A label and the prototypes that decided it."""

    label: str
    index: int
    probability: Annotated[float, Field(ge=0, le=1)]
    verdict: Verdict
    positive: PrototypeDistance = Field(description="the nearest prototype: the predicted class")
    negative: PrototypeDistance = Field(description="the nearest prototype of any other class")
    margin: float = Field(description="negative.distance − positive.distance")
    novelty: float = Field(
        description="how much less usual than the median training picture's the colours and "
        "textures are, in units of distance; positive.distance and this together are held against "
        "the class's max_distance. 0: the model does not tell"
    )
    prototypes: list[PrototypeDistance] = Field(description="the nearest ones, nearest first")
    model: ModelInfo


class Example(_Answer):
    """A training image."""

    id: int
    label: str
    distance: float = Field(description="Euclidean, to the query")
    thumbnail: str = Field(description="path of its thumbnail, /gallery/ID")


class Evidence(_Answer):
    """The exact split of the squared-distance margin over the picture."""

    rows: int
    cols: int
    values: list[list[float]] = Field(
        description="rows × cols; their sum is negative.distance² − positive.distance²"
    )
    overlay_png: str = Field(description="the picture tinted by it, a PNG in base64")


class Explanation(Classification):
    """A classification and what stands behind it."""

    point: list[float] = Field(description="the picture's place on /map: x, y, z")
    positive_examples: list[Example] = Field(description="nearest to the positive prototype")
    negative_examples: list[Example] = Field(description="nearest to the negative prototype")
    neighbours: list[Example] = Field(description="nearest to this picture")
    evidence: Evidence | None = Field(description="null: the network has no evidence map")


class PrototypeSummary(_Answer):
    """A class's prototype and its nearest rival."""

    label: str
    index: int
    rival: PrototypeDistance = Field(description="the nearest prototype of another class")
