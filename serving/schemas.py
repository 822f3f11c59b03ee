"""The forms of the requests: their fields, how they are checked and described."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import bentoml
from pydantic import (
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)
from starlette.requests import Request

from interpret.explain.explainer import NEAREST_SHOWN

MAX_K = 100
PAGE_LIMIT = 1000  # classes in an answer of /prototypes
NOT_A_FILE = "must be a file (a part with a filename), or base64 in JSON"


class Picture(NamedTuple):
    """A picture as it was sent, or why it cannot be one."""

    filename: str | None
    content: bytes | Exception


def _uploaded(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(NOT_A_FILE)
    return value


def _unquoted(value: object) -> object:
    # BentoML's own client sends a form's texts as JSON strings.
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


# `type: file` is how BentoML's client finds out what to upload.
_FILE = {"type": "file", "format": "image"}
Upload = Annotated[bytes, BeforeValidator(_uploaded), WithJsonSchema(_FILE)]
Uploads = Annotated[  # of `Picture`s
    list[Any], WithJsonSchema({"type": "array", "items": _FILE, "minItems": 1})
]
Label = Annotated[str, BeforeValidator(_unquoted)]
Count = Annotated[int, Field(ge=1, le=MAX_K)]
Top = Annotated[
    int,
    Field(ge=1, description="how many prototypes to list; a model of fewer classes lists them all"),
]
Shares = Annotated[bool, Field(description="add the probability of every class, by label")]

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
    bodiless: ClassVar[bool] = False  # whether it needs no body: only JSON is read then
    # BentoML reads it with every request, and pydantic takes long to find that there is none.
    __root_input__: ClassVar[bool] = False

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:
        """Hand the request over as it is."""
        return Unread(request)


class PredictForm(Form):
    """The form of /predict."""

    image: Upload = Field(description=_PICTURE)
    top: Top = NEAREST_SHOWN
    probabilities: Shares = False


class BatchForm(Form):
    """The form of /predict/batch: many pictures, each a part called `image`."""

    image: Uploads = Field(description=f"pictures, each {_PICTURE}")
    top: Top = NEAREST_SHOWN
    probabilities: Shares = False


class ExplainForm(Form):
    """The form of /explain."""

    image: Upload = Field(description=_PICTURE)
    k: Count = Field(6, description=_COUNT)
    rival: Label | None = Field(
        None, description="a class to compare with; it becomes the answer's negative prototype"
    )
    fine: bool = Field(
        False,
        description="add a finer evidence map; it takes up to 16 inferences more, in a queue of "
        "its own",
    )
    top: Top = NEAREST_SHOWN
    probabilities: Shares = False


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
        None,
        description="the X-Request-ID of an earlier answer about one picture, or the "
        "request_id of a result of /predict/batch",
    )
    label: Label = Field(description="the class that the picture is of")

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        if (self.image is None) == (self.request_id is None):
            given = "neither" if self.image is None else "both"
            raise ValueError(f"give exactly one of image and request_id, not {given}")
        return self


class PageForm(Form):
    """The form of /prototypes: which of them, in the address or in JSON."""

    media_type: ClassVar[str | None] = "application/json"
    bodiless: ClassVar[bool] = True

    offset: Annotated[int, Field(ge=0, description="index of the first class to list")] = 0
    limit: Annotated[
        int, Field(ge=1, le=PAGE_LIMIT, description="how many classes to list, at most")
    ] = PAGE_LIMIT
