"""Forms with files (multipart/form-data), read in memory.

Nearly all clients write such a body in one way, which a few searches take apart. Any other body
goes to Starlette's parser, which looks at it byte by byte and says what is wrong with it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from urllib.parse import unquote_to_bytes

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from serving.http.bodies import BodyLimits
from serving.schemas import Picture

MAX_FIELDS = 16
_LARGE = 2**20  # bytes that Starlette's parser takes in a thread, so that other requests go on
_PIECE = 2**16  # bytes that it takes at a time: it makes objects of them before it joins them
_MAX_TEXT = 2**20  # bytes of a field that is no file; Starlette's parser refuses more
_STAR = re.compile(rb";\s*filename\*\s*=\s*[\w-]*'[^']*'([^;\s]*)", re.IGNORECASE)
_BOUNDARY = re.compile(r'multipart/form-data; ?boundary=(?:([\w.-]{1,70})|"([\w.-]{1,70})")')
_PLAIN = rb"[ !#$&-\[\]-~]*"  # visible ASCII without quotes, backslashes and per cent
_HEAD = re.compile(
    rb'Content-Disposition: form-data; name="(%b)"(?:; filename="(%b)")?' % (_PLAIN, _PLAIN)
    + rb"(?:\r\nContent-Type: [!-~]+)?",
    re.IGNORECASE,
)

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the answer says what is wrong


class MalformedFormError(Exception):
    """A body that is no form."""


class TooManyPicturesError(MultiPartException):
    """A form with more files than a request may have."""

    def __init__(self) -> None:
        super().__init__("too many pictures")


async def fields_of(
    headers: Headers, body: bytes, limits: BodyLimits
) -> list[tuple[str, str | Picture]]:
    """The fields of a form in order. Raises MalformedFormError or TooManyPicturesError."""
    found = _usual(headers.get("content-type", ""), body, limits)
    if found is not None:
        return found
    slowly = partial(_at_once, headers, body, limits)
    return slowly() if len(body) < _LARGE else await to_thread.run_sync(slowly)


def _at_once(headers: Headers, body: bytes, limits: BodyLimits) -> list[tuple[str, str | Picture]]:
    """The fields of a form in any spelling, without an event loop: the body is here as a whole, so
    Starlette's parser waits for nothing.
    """
    waiting = _in_any_spelling(headers, body, limits)
    try:
        waiting.send(None)
    except StopIteration as done:
        found: list[tuple[str, str | Picture]] = done.value
        return found
    raise AssertionError("the parser waits for more than the body")


async def _in_any_spelling(
    headers: Headers, body: bytes, limits: BodyLimits
) -> list[tuple[str, str | Picture]]:
    parsed = await _parsed(_MultiPart(headers, _pieces(body), limits))
    return [(name, await _field(field)) for name, field in parsed]


async def texts_of(headers: Headers, body: bytes) -> list[tuple[str, str]]:
    """The fields of a form without files (urlencoded). Raises MalformedFormError."""
    parsed = await _parsed(FormParser(headers, _pieces(body), max_fields=MAX_FIELDS))
    return [(name, field) for name, field in parsed if isinstance(field, str)]


def _usual(
    content_type: str, body: bytes, limits: BodyLimits
) -> list[tuple[str, str | Picture]] | None:
    """The fields of a body as browsers, curl and Python's clients write it; None for another."""
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        return None
    mark = b"--" + (match[1] or match[2]).encode()
    end = body.removesuffix(b"\r\n")
    if not body.startswith(mark + b"\r\n") or not end.endswith(b"\r\n" + mark + b"--"):
        return None
    parts = end[len(mark) + 2 : -len(mark) - 4].split(b"\r\n" + mark + b"\r\n")
    if body.count(b"\r\n" + mark) != len(parts):
        return None
    fields: list[tuple[str, str | Picture]] = []
    files = 0
    for part in parts:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank or (own := _HEAD.fullmatch(head)) is None:
            return None
        name, filename = own.groups()
        if filename is not None:
            files += 1
            fields.append((name.decode(), Picture(filename.decode(), content)))
        elif len(content) <= _MAX_TEXT and content.isascii():
            fields.append((name.decode(), content.decode()))
        else:
            return None
    few = files <= limits.pictures and len(fields) - files <= MAX_FIELDS
    return fields if few else None


async def _parsed(parser: FormParser | MultiPartParser) -> Sequence[tuple[str, str | UploadFile]]:
    try:
        return (await parser.parse()).multi_items()
    except TooManyPicturesError:
        raise
    except (MultiPartException, FormParserError) as error:
        raise MalformedFormError(str(error)) from None


class _MultiPart(MultiPartParser):
    """Starlette's parser, but a body without its closing boundary is an error.

    A part that has its name as `filename*` alone is a file, too.
    """

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], limits: BodyLimits
    ) -> None:
        super().__init__(
            headers, self._whole(stream), max_files=limits.pictures, max_fields=MAX_FIELDS
        )
        self.spool_max_size = limits.max_bytes  # never to disk
        self._ended = False

    def on_headers_finished(self) -> None:
        part = self._current_part
        disposition = part.content_disposition or b""
        if b"*" in disposition and (found := _STAR.search(disposition)) is not None:
            name = unquote_to_bytes(found[1]).replace(b'"', b"%22")
            # Of two names the last counts.
            part.content_disposition = disposition + b'; filename="' + name + b'"'
        try:
            super().on_headers_finished()
        except MultiPartException:
            if self._current_files > self.max_files > 1:
                raise TooManyPicturesError from None
            raise

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            yield chunk
        if not self._ended:
            raise MultiPartException("the body ends before its closing boundary")


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]
    yield b""


async def _field(field: str | UploadFile) -> str | Picture:
    if isinstance(field, str):
        return field
    try:
        return Picture(field.filename, await field.read())
    finally:
        await field.close()
