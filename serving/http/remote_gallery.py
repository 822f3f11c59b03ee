"""Thumbnails of a gallery that lies behind a URL prefix, fetched by the service.

So the page asks this service alone, with its token, and the place of the pictures may be one that
only the service reaches.
"""

from __future__ import annotations

import urllib.request
from email.message import Message
from functools import lru_cache
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError

from interpret.bundle.errors import UnknownExampleError
from interpret.model.picture_formats import format_of
from serving.http.errors import ServiceError

_SECONDS = 5.0
_MOST_BYTES = 2**20
_KEPT = 512  # thumbnails in memory, at most


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Only addresses below the bundle's own prefix are asked."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Refuse."""
        return


_OPENER = urllib.request.build_opener(_NoRedirects)


@lru_cache(_KEPT)
def fetched(address: str) -> bytes:
    """A thumbnail's bytes. Raises UnknownExampleError where there is none, and ServiceError 503
    when the place cannot be reached or answers with something else.
    """
    try:
        with _OPENER.open(address, timeout=_SECONDS) as response:
            content: bytes = response.read(_MOST_BYTES + 1)
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise UnknownExampleError("the gallery's pictures lack this one") from None
        raise _unreachable(f"it answers {error.code}") from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        raise _unreachable(str(getattr(error, "reason", error))) from None
    if format_of(content) is None:
        raise _unreachable("what it sends is no picture")
    if len(content) > _MOST_BYTES:
        raise _unreachable("what it sends is too large for a thumbnail")
    return content


def _unreachable(why: str) -> ServiceError:
    return ServiceError(
        503, "gallery_unreachable", f"the place of the gallery's pictures cannot be used: {why}"
    )
