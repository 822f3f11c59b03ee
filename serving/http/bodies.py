"""A request's body as it arrives: never beyond the size limit, unpacked where it is compressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request

from serving.http.errors import ServiceError

_PACKED = {"gzip", "x-gzip", "deflate"}
_WBITS = zlib.MAX_WBITS | 32  # either, by its first bytes
_PIECE = 2**18  # bytes unpacked at a time


class BodyLimits(NamedTuple):
    """What a body may be."""

    max_bytes: int  # unpacked
    seconds: float  # until it has arrived
    pictures: int = 1


class Arriving:
    """Time for a body to arrive in. Raises ServiceError: 408 when it is over, 400 for a cut body.

    The body must be read inside. A class: a generator's context manager takes twice as long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._timeout = seconds, asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            message = f"the body did not arrive within {self._seconds:g} seconds"
            raise ServiceError(408, "upload_timeout", message) from None
        if isinstance(error, ClientDisconnect):
            raise ServiceError(400, "malformed", "the body ends early") from None


async def whole(request: Request, max_bytes: int) -> bytes:
    """The body, unpacked if its Content-Encoding is gzip or deflate.

    Raises ServiceError: 400 for packed bytes that are damaged, 413 for a body over `max_bytes`,
    packed or not, 415 for another encoding.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    body = _capped(request, max_bytes)
    if encoding in _PACKED:
        body = _unpacked(body, max_bytes)
    elif encoding not in ("", "identity"):
        raise _unknown(encoding)
    found = [piece async for piece in body]
    return found[0] if len(found) == 1 else b"".join(found)


def _unknown(encoding: str) -> ServiceError:
    message = (
        f"the content encoding {encoding[:40]!r} is not accepted: send the body as it is, or gzip"
    )
    return ServiceError(415, "unsupported_encoding", message)


async def _capped(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_large(max_bytes)  # no byte has been read
    received, more = 0, True
    while more:  # as `request.stream` does, but without a generator of its own
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        received += len(chunk)  # the header may be missing, or wrong
        if received > max_bytes:
            raise too_large(max_bytes)
        if chunk:
            yield chunk


async def _unpacked(
    arriving: AsyncGenerator[bytes, None], max_bytes: int
) -> AsyncGenerator[bytes, None]:
    unpacked, packed = 0, zlib.decompressobj(wbits=_WBITS)
    async for chunk in arriving:
        while chunk:
            if packed.eof:  # a file of several parts, one behind the other
                packed = zlib.decompressobj(wbits=_WBITS)
            try:
                piece = packed.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise ServiceError(
                    400, "malformed", f"the body cannot be unpacked: {error}"
                ) from None
            unpacked += len(piece)
            if unpacked > max_bytes:
                raise too_large(max_bytes)
            yield piece
            chunk = packed.unused_data if packed.eof else packed.unconsumed_tail
            await asyncio.sleep(0)  # between two pieces others have their turn
    if not packed.eof:
        raise ServiceError(400, "malformed", "the packed body ends early")


def too_large(max_bytes: int, what: str = "body") -> ServiceError:
    """The refusal of what has more than `max_bytes`."""
    message = f"the {what} is over the limit of {max_bytes} bytes"
    return ServiceError(413, "too_large", message, {"limit": max_bytes})
