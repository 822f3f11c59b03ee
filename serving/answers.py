"""The service's answers, beside those that the explainer gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interpret.bundle.manifest import Fit, GalleryMode
from interpret.explain.answers import Classification, Example, ModelInfo, PrototypeSummary


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ErrorInfo(BaseModel):
    """The error of a request: a code for programs, a message for people."""

    code: str = Field(description="stable, for programs", examples=["not_an_image"])
    message: str = Field(description="one sentence, for people")
    detail: Any = Field(
        None, description="the fields at fault, or the limit that was exceeded; often null"
    )


class ErrorAnswer(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: ErrorInfo


class AnsweredPicture(_Answer):
    """A picture of a batch that was read."""

    filename: str | None = Field(description="as it was sent; null where none was")
    request_id: str = Field(description="of this picture, for /feedback")
    answer: Classification


class RefusedPicture(_Answer):
    """A picture of a batch that was not read; the others are answered all the same."""

    filename: str | None = Field(description="as it was sent; null where none was")
    error: ErrorInfo


class BatchAnswer(_Answer):
    """An answer or an error for each picture of a batch."""

    results: list[AnsweredPicture | RefusedPicture] = Field(description="in the order of the parts")


class Query(_Answer):
    """The picture or prototype that was searched for."""

    kind: Literal["image", "prototype"]
    label: str | None = Field(description="the prototype's class; null for an image")
    k: int


class Similar(_Answer):
    """The training images nearest to an image or a prototype."""

    query: Query
    results: list[Example] = Field(description="nearest first")


class Prototypes(_Answer):
    """The classes' prototypes, page by page."""

    radius: float | None = Field(
        description="the norm of every prototype; null when each has its own (CE, CL, CPN)"
    )
    total: int = Field(description="how many classes the model has")
    offset: int = Field(description="the index of the first one listed")
    prototypes: list[PrototypeSummary] = Field(description="in the order of the class index")
    model: ModelInfo


class Coverage(_Answer):
    """What the calibration of the verdicts promises, and what was measured."""

    stated: float = Field(description="share of new pictures that are to keep their right class")
    measured: float = Field(description="that share, on pictures that the limits were not found on")
    accepted: float = Field(description="share of those pictures with the verdict accept")
    accuracy_of_accepted: float | None = Field(description="share of these that are right")
    split: str
    examples: int


class RequestLimits(_Answer):
    """What a request may be; above it is a 413."""

    max_bytes: int = Field(description="of a body, and of each picture of many")
    max_pixels: int = Field(description="of a picture")
    max_pictures: int = Field(description="in a request to /predict/batch or /v2")
    max_batch_bytes: int = Field(description="of the body of such a request")


class Model(_Answer):
    """The bundle that is served, how good it is, and where it runs in the worker that answers."""

    name: str
    fingerprint: str = Field(description="hash over the whole bundle")
    toolkit: str = Field(description="the version that serves it")
    method: str
    backbone: str
    embedding_dim: int
    input_size: int = Field(description="side of the model's square input in pixels")
    fit: Fit = Field(description="how a picture fills the square: see /map")
    class_names: list[str] = Field(description="in the order of the class index")
    int8: bool = Field(description="whether the network computes in 8-bit integers")
    changes: list[str] = Field(description="made since the training, oldest first")
    accuracy: float = Field(description="share of right answers on `examples` of `split`")
    balanced_accuracy: float | None = Field(description="mean recall of the classes; null: unknown")
    split: str = Field(description="the pictures that accuracy was measured on")
    examples: int
    coverage: Coverage | None = Field(description="null: the verdicts are not calibrated")
    device: Literal["cpu", "cuda"] = Field(description="where the model runs")
    provider: str = Field(description="ONNX Runtime's execution provider that runs it")
    threads: int = Field(description="CPU threads of the worker")
    workers: int
    limits: RequestLimits


class Map(_Answer):
    """Prototypes and training images in three dimensions.

    An embedding space of more dimensions is projected onto its principal directions.
    """

    kept: float = Field(description="share of the squared lengths that the projection keeps")
    radius: float = Field(description="the prototypes' mean norm: the radius of their sphere")
    class_names: list[str]
    colours: list[str] = Field(description="#rrggbb of each class, the same as in figures")
    prototypes: list[list[float]] = Field(description="x, y, z of each class's prototype")
    ids: list[int] = Field(description="the training images on the map, at most 2,000")
    labels: list[int] = Field(description="the class of each training image, by index")
    points: list[list[float]] = Field(description="x, y, z of each training image")
    fit: Fit = Field(
        description="how a picture fills the model's square input: by its centred square (crop), "
        "whole with a border of grey (letterbox), or whole with its shape given up (squash)"
    )
    input_size: int = Field(description="side of the model's square input in pixels")
    gallery_mode: GalleryMode = Field(
        description="where the training images' thumbnails are: inside the bundle (pictures), "
        "behind a URL that the service asks (remote), nowhere (none)"
    )
    model: ModelInfo


class FeedbackKept(_Answer):
    """A correction that is on the disk."""

    id: int = Field(description="the correction's number in the file")
    label: str = Field(description="the class that the picture is of, as the request says")
    answer: str = Field(description="the class that the model answered")
    picture: bool = Field(description="whether the picture is kept, too")
    corrections: int = Field(description="corrections in the file now")
    model: ModelInfo = Field(description="the bundle that is served now")


class Reload(_Answer):
    """The outcome of a reload in the worker that answered; the others follow within seconds."""

    swapped: bool = Field(description="true: the folder held another bundle, which took over")
    model: ModelInfo = Field(description="the bundle that is served now")
