"""Reads a request's body into a checked form, in memory only and never beyond the size limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import TypeVar

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from serving.http.errors import ServiceError
from serving.schemas import Form

F = TypeVar("F", bound=Form)

_MULTIPART, _URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
_WANTED = f"send a form: {_MULTIPART}, with the picture as a file in the field `image`"
_MAX_FIELDS = 16

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the answer says what is wrong


async def read(request: Request, form: type[F], max_bytes: int, seconds: float) -> F:
    """Read the request's form and check it. For a form without fields no body is read.

    Raises ServiceError: 400 for a body that cannot be parsed, 408 for one that takes longer than
    `seconds`, 413 for one over `max_bytes`, 415 for a content type that is no form, and 422 for a
    field that is missing or out of range.
    """
    if not form.model_fields:
        return form()
    try:
        async with asyncio.timeout(seconds):
            fields = await _parse(request, max_bytes)
            values = {name: await _value(field) for name, field in fields.items()}
    except TimeoutError:
        message = f"the body did not arrive within {seconds:g} seconds"
        raise ServiceError(408, "upload_timeout", message) from None
    except ClientDisconnect:
        raise ServiceError(400, "malformed", "the body ends early") from None
    try:
        checked: F = form.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from None
    return checked


async def _parse(request: Request, max_bytes: int) -> FormData:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parser: FormParser | _MultiPart
    if content_type == _MULTIPART:
        parser = _MultiPart(request.headers, _capped(request, max_bytes))
        parser.spool_max_size = max_bytes  # never to disk
    elif content_type == _URLENCODED:
        parser = FormParser(request.headers, _capped(request, max_bytes), max_fields=_MAX_FIELDS)
    elif not content_type:
        raise ServiceError(400, "malformed", f"there is no Content-Type; {_WANTED}")
    else:
        message = f"the content type {content_type} is not accepted; {_WANTED}"
        raise ServiceError(415, "unsupported_media_type", message)
    try:
        return await parser.parse()
    except (MultiPartException, FormParserError) as error:
        message = f"the form cannot be parsed: {error}; {_WANTED}"
        raise ServiceError(400, "malformed", message) from None


class _MultiPart(MultiPartParser):
    """Starlette's parser, but a body without its closing boundary is an error."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers, self._whole(stream), max_files=1, max_fields=_MAX_FIELDS)
        self._ended = False

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            yield chunk
        if not self._ended:
            raise MultiPartException("the body ends before its closing boundary")


async def _capped(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    error = ServiceError(
        413, "too_large", f"the body is over the limit of {max_bytes} bytes", {"limit": max_bytes}
    )
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise error  # no byte has been read
    received = 0
    async for chunk in request.stream():
        received += len(chunk)  # the header may be missing, or wrong
        if received > max_bytes:
            raise error
        yield chunk


async def _value(field: str | UploadFile) -> str | bytes:
    if isinstance(field, str):
        return field
    try:
        return await field.read()
    finally:
        await field.close()


def _invalid(error: ValidationError) -> ServiceError:
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
