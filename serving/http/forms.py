"""Reads a request's body into a checked form, in memory only and never beyond the size limit.

A picture comes as a file of a form, as the body itself, or in base64 in JSON. Its other fields
come beside it, or in the address behind a `?`.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from anyio import to_thread
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from interpret.model.picture_formats import HEAD, format_of
from serving.http.bodies import Arriving, BodyLimits, whole
from serving.http.errors import ServiceError
from serving.http.multipart import (
    MAX_FIELDS,
    MalformedFormError,
    TooManyPicturesError,
    fields_of,
    texts_of,
)
from serving.schemas import NOT_A_FILE, Form, Picture

F = TypeVar("F", bound=Form)
_MOST_VALUES = 10_000  # of JSON: an object is made of each, and nothing else is done meanwhile
_LARGE = 2**20  # bytes of JSON that are read in a thread, so that other requests go on
Item = tuple[str, Any]  # a field's name, and a text, a Picture, or what JSON holds

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
JSON, BYTES = "application/json", "application/octet-stream"
_WANTED = (
    f"send a form ({MULTIPART}) with the picture as a file in the field `image`, the picture "
    f"itself as the body (image/*), or {JSON} with the picture in base64 as `image`; many pictures "
    "go to /predict/batch"
)


async def read(request: Request, form: type[F], limits: BodyLimits) -> F:
    """Read the request's form and check it. Where it needs no body, any but JSON is ignored.

    Raises ServiceError: 400 for a body that cannot be parsed, 408 for one that arrives too late,
    413 for one that is too large or has too many pictures, 415 for a content type that is not
    read, and 422 for a field that is missing or out of range.
    """
    items: list[Item] = []
    async with Arriving(limits.seconds):
        if not form.bodiless:
            items = await _items(request, limits)
        elif _content_type(request) == JSON and (body := await whole(request, limits.max_bytes)):
            items = await _json(body, BodyLimits(limits.max_bytes, limits.seconds))
    if query := request.scope.get("query_string"):
        items = _of_address(query) + items  # a field of the body comes later, and counts
    return _checked(form, _values(form, items, limits))


def of_address(request: Request, form: type[F]) -> F:
    """The form of a GET request: its fields stand in the address. Raises ServiceError 422."""
    return _checked(form, dict(_of_address(request.scope.get("query_string", b""))))


def _checked(form: type[F], values: dict[str, Any]) -> F:
    try:
        checked: F = form.model_validate(values)
    except ValidationError as error:
        raise invalid_fields(error) from None
    return checked


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _items(request: Request, limits: BodyLimits) -> list[Item]:
    content_type = _content_type(request)
    if content_type == MULTIPART:
        body = await whole(request, limits.max_bytes)
        return [*await _whole_form(request, body, limits, content_type)]
    if content_type == JSON:
        return await _json(await whole(request, limits.max_bytes), limits)
    if content_type.startswith("image/") or content_type == BYTES:
        return [("image", Picture(None, await whole(request, limits.max_bytes)))]
    if content_type not in (URLENCODED, ""):
        message = f"the content type {content_type} is not accepted; {_WANTED}"
        raise ServiceError(415, "unsupported_media_type", message)
    body = await whole(request, limits.max_bytes)
    if format_of(body[:HEAD]) is not None:  # as curl's --data-binary sends a file, for example
        return [("image", Picture(None, body))]
    if not content_type:
        raise ServiceError(400, "malformed", f"there is no Content-Type; {_WANTED}")
    return [*await _whole_form(request, body, limits, content_type)]


async def _whole_form(
    request: Request, body: bytes, limits: BodyLimits, content_type: str
) -> Sequence[Item]:
    try:
        if content_type == MULTIPART:
            return await fields_of(request.headers, body, limits)
        return await texts_of(request.headers, body)
    except TooManyPicturesError:
        raise too_many_pictures(limits.pictures) from None
    except MalformedFormError as error:
        message = f"the form cannot be parsed: {error}; {_WANTED}"
        raise ServiceError(400, "malformed", message) from None


async def _json(body: bytes, limits: BodyLimits) -> list[Item]:
    if len(body) < _LARGE:
        return _of_json(body, limits.pictures)
    return await to_thread.run_sync(_of_json, body, limits.pictures)


def _of_json(body: bytes, most: int) -> list[Item]:
    """The fields of an object, and up to `most` pictures."""
    if body.count(b",") > _MOST_VALUES:
        message = f"the JSON has more than {_MOST_VALUES:,} values; {_WANTED}"
        raise ServiceError(400, "malformed", message)
    try:
        found = from_json(body)
    except ValueError as error:
        raise ServiceError(400, "malformed", f"the body is no JSON: {error}; {_WANTED}") from None
    if not isinstance(found, dict):
        raise ServiceError(400, "malformed", f"the JSON is no object; {_WANTED}")
    pictures = [found.pop("image")] if "image" in found else []
    if most > 1 and pictures and isinstance(pictures[0], list):
        [pictures] = pictures
    if len(pictures) > most:
        raise too_many_pictures(most)
    return [*found.items(), *(("image", of_base64(each)) for each in pictures)]


def of_base64(text: object) -> object:
    """A picture from its text, with or without `data:…;base64,` before it."""
    if not isinstance(text, str) or not text:
        return text
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return Picture(None, binascii.a2b_base64("".join(text.split()), strict_mode=True))
    except ValueError:
        return Picture(None, invalid("image", "is no base64, and addresses are not fetched"))


def _of_address(query: bytes) -> list[Item]:
    try:
        fields = parse_qsl(query.decode("latin-1"), max_num_fields=MAX_FIELDS)
    except ValueError:
        message = f"there are more than {MAX_FIELDS} fields in the address"
        raise ServiceError(400, "malformed", message) from None
    return [(name, value) for name, value in fields if name != "image"]


def _values(form: type[Form], items: list[Item], limits: BodyLimits) -> dict[str, Any]:
    """The fields by name. An optional one that is empty is absent, as browsers send it."""
    values: dict[str, Any] = {}
    several = limits.pictures > 1
    pictures = [value for name, value in items if name == "image"] if several else []
    if len(pictures) > limits.pictures:
        raise too_many_pictures(limits.pictures)
    for name, value in items:
        field = form.model_fields.get(name)
        if field is None or (several and name == "image"):
            continue
        if not field.is_required() and value in ("", None, Picture("", b"")):
            values.pop(name, None)
        else:
            values[name] = _content(value) if isinstance(value, Picture) else value
    if pictures:
        values["image"] = [
            each if isinstance(each, Picture) else Picture(None, invalid("image", NOT_A_FILE))
            for each in pictures
        ]
    return values


def _content(picture: Picture) -> bytes:
    if isinstance(picture.content, Exception):
        raise picture.content
    return picture.content


def too_many_pictures(limit: int) -> ServiceError:
    """The refusal of a request with more than `limit` pictures."""
    message = f"there are more than {limit} pictures in the request; send several requests"
    return ServiceError(413, "too_many_pictures", message, {"limit": limit})


def invalid(field: str, message: str) -> ServiceError:
    """The refusal of one field."""
    detail = [{"field": field, "message": message}]
    return ServiceError(422, "invalid_field", f"{field}: {message}", detail)


def invalid_fields(error: ValidationError) -> ServiceError:
    """The refusal of all fields that are at fault."""
    detail = [
        {
            "field": ".".join(map(str, problem["loc"])) or None,
            "message": problem["msg"].removeprefix("Value error, "),
        }
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    message = "; ".join(
        f"{row['field']}: {row['message']}" if row["field"] else str(row["message"])
        for row in detail
    )
    return ServiceError(422, "invalid_field", message, detail)
