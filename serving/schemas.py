"""The forms of the requests, and the answers that the explainer itself does not give."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal, Self

import bentoml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from starlette.requests import Request

from interpret.bundle.manifest import Fit
from interpret.explain.answers import Example, ModelInfo, PrototypeSummary

MAX_K = 100


def _uploaded(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("must be a file (a part with a filename), not text")
    return value


def _unquoted(value: object) -> object:
    # BentoML's own client sends a form's texts as JSON strings.
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


Upload = Annotated[
    bytes,
    BeforeValidator(_uploaded),
    # `type: file` is how BentoML's client finds out what to upload.
    WithJsonSchema({"type": "file", "format": "image"}),
]
Label = Annotated[str, BeforeValidator(_unquoted)]
Count = Annotated[int, Field(ge=1, le=MAX_K)]

_PICTURE = (
    "a JPEG, PNG, WebP, BMP, GIF, HEIC or AVIF (first frame) of any mode; its declared type is "
    "ignored"
)
_COUNT = "how many training images to show; a smaller gallery shows all it has"


class Unread:
    """A request whose body is not read yet, on its way through BentoML to the endpoint."""

    model_fields = ("request",)  # BentoML passes these on as arguments, by name

    def __init__(self, request: Request) -> None:
        self.request = request


class Form(bentoml.IODescriptor):  # type: ignore[misc]
    """Base of the request forms.

    The endpoint reads the body itself, by `forms.read`: BentoML's parser would fetch URLs, write
    temporary files, and log a traceback for each malformed body.
    """

    media_type: ClassVar[str | None] = "multipart/form-data"
    # BentoML reads it with every request, and pydantic takes long to find that there is none.
    __root_input__: ClassVar[bool] = False

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:
        """Hand the request over as it is."""
        return Unread(request)


class PredictForm(Form):
    """The form of /predict."""

    image: Upload = Field(description=_PICTURE)


class ExplainForm(Form):
    """The form of /explain."""

    image: Upload = Field(description=_PICTURE)
    k: Count = Field(6, description=_COUNT)
    rival: Label | None = Field(
        None, description="a class to compare with; it becomes the answer's negative prototype"
    )


class SimilarForm(Form):
    """The form of /similar: `image` or `prototype`."""

    image: Upload | None = Field(None, description=_PICTURE)
    prototype: Label | None = Field(None, description="a class: search around its prototype")
    k: Count = Field(9, description=_COUNT)

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if (self.image is None) == (self.prototype is None):
            given = "neither" if self.image is None else "both"
            raise ValueError(f"give exactly one of image and prototype, not {given}")
        return self


class FeedbackForm(Form):
    """The form of /feedback: `image` or `request_id`, and the right label."""

    image: Upload | None = Field(None, description=_PICTURE)
    request_id: Label | None = Field(
        None, description="the X-Request-ID of an earlier answer about one picture"
    )
    label: Label = Field(description="the class that the picture is of")

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        if (self.image is None) == (self.request_id is None):
            given = "neither" if self.image is None else "both"
            raise ValueError(f"give exactly one of image and request_id, not {given}")
        return self


class EmptyForm(Form):
    """The form of /prototypes: it asks for nothing, and no body is read."""

    media_type: ClassVar[str | None] = "application/json"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


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
    """Every class's prototype."""

    radius: float | None = Field(
        description="the norm of every prototype; null when each has its own (CE, CL, CPN)"
    )
    prototypes: list[PrototypeSummary] = Field(description="in the order of the class index")
    model: ModelInfo


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
