"""One shape for every error: {"error": {"code", "message", "detail"}}."""

from __future__ import annotations

import logging
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interpret.bundle.errors import (
    BrokenImageError,
    DpnpError,
    NotAnImageError,
    OwnRivalError,
    TooManyPixelsError,
    UnknownExampleError,
    UnknownLabelError,
)
from interpret.edit.corrections import FeedbackFullError, FeedbackUnwritableError
from serving.answers import ErrorAnswer, ErrorInfo
from serving.feedback import SeveralPicturesError, UnknownRequestError

_LOG = logging.getLogger(__name__)

# status → (code, message), for errors that Starlette's routing or BentoML answers with.
_DEFAULTS = {
    400: ("malformed", "the request is malformed"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address does not take this method"),
    415: ("unsupported_media_type", "this content type is not accepted"),
    429: ("too_many_requests", "too many requests at once; try again"),
    503: ("overloaded", "the service is not ready or overloaded; try again"),
    504: ("timeout", "the request took too long"),
}
_UNEXPECTED = ("internal", "something went wrong in the service; its log has the details")
_HEADERS = {  # Retry-After in seconds
    401: {"www-authenticate": "Bearer"},
    429: {"retry-after": "1"},
    503: {"retry-after": "2"},
}
_KEPT_HEADERS = {b"allow", b"retry-after"}
_PROTOCOL = "/v2"  # the Open Inference Protocol has a shape of its own: {"error": message}
_IN_SCHEMA = "dpnp.error_schema"  # set in the scope of a request that an ErrorResponse answers


class ServiceError(Exception):
    """A request that is refused: the status, code and message of its answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: Any = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.detail = status, code, detail
        self._retry_after = retry_after  # seconds, where they are known better than `_HEADERS`

    @property
    def info(self) -> ErrorInfo:
        """The error in an answer."""
        return ErrorInfo(code=self.code, message=str(self), detail=self.detail)

    def response(self) -> ErrorResponse:
        """The answer in the error schema."""
        response = ErrorResponse(self.status, self.info)
        if self._retry_after is not None:
            response.headers["retry-after"] = str(self._retry_after)
        return response


class ErrorResponse(Response):
    """An answer in the error schema. It marks its request, so that `ErrorSchema` lets it pass."""

    def __init__(self, status: int, error: ErrorInfo) -> None:
        self._message = error.message
        body = ErrorAnswer(error=error).model_dump_json()
        super().__init__(body, status, _HEADERS.get(status), media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        scope[_IN_SCHEMA] = True
        if scope["path"].startswith(_PROTOCOL):
            self.body = to_json({"error": self._message})
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


_OF_INPUT: dict[type[DpnpError], tuple[int, str]] = {
    NotAnImageError: (415, "not_an_image"),
    BrokenImageError: (415, "broken_image"),
    TooManyPixelsError: (413, "too_many_pixels"),
    UnknownLabelError: (422, "unknown_prototype"),
    OwnRivalError: (422, "own_rival"),
    UnknownExampleError: (404, "unknown_example"),
    FeedbackFullError: (409, "feedback_full"),
    FeedbackUnwritableError: (503, "feedback_unwritable"),
    UnknownRequestError: (404, "unknown_request"),
    SeveralPicturesError: (422, "several_pictures"),
}


def of_input(error: ServiceError | DpnpError) -> ServiceError:
    """The refusal of a request, or of one of its pictures, whose input is at fault."""
    if isinstance(error, ServiceError):
        return error
    status, code = _OF_INPUT.get(type(error), (400, "malformed"))
    return ServiceError(status, code, str(error))


def refusal(error: ServiceError | DpnpError) -> ErrorResponse:
    """The answer to a request whose input is at fault."""
    return of_input(error).response()


def _default(status: int) -> ErrorResponse:
    return ServiceError(status, *_DEFAULTS.get(status, _UNEXPECTED)).response()


class ErrorSchema:
    """ASGI middleware that gives the errors of routing and of BentoML a body in the schema.

    BentoML's own bodies have two other shapes: plain text and a list.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outgoing = _Outgoing(scope, receive, send)
        try:
            await self._app(scope, receive, outgoing)
        except Exception:  # the edge: whatever it is, the client gets an answer
            if outgoing.started:
                raise
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            await _default(500)(scope, receive, send)


class _Outgoing:
    """The `send` of one request: it replaces an error that is not in the schema."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = False
        self._scope, self._receive, self._send = scope, receive, send
        self._replaced: Message | None = None  # the first message of a foreign error

    async def __call__(self, message: Message) -> None:
        foreign = message.get("status", 200) >= 400 and _IN_SCHEMA not in self._scope
        if foreign:
            self._replaced = message
        elif self._replaced is None:
            self.started = True
            await self._send(message)
        elif not message.get("more_body"):
            await self._replace(self._replaced)

    async def _replace(self, error: Message) -> None:
        self.started = True
        response = _default(error["status"])
        kept = [pair for pair in error["headers"] if pair[0].lower() in _KEPT_HEADERS]
        response.raw_headers.extend(kept)
        await response(self._scope, self._receive, self._send)
