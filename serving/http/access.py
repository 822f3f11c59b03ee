"""The outermost layer of every request: who may ask, its id, its line in the log, its metrics."""

from __future__ import annotations

import hmac
import math
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.clients import client_key, refused_without_token, same_origin
from serving.http.cross_origin import Origins, foreign_origin
from serving.http.errors import ServiceError
from serving.http.first_headers import first_headers
from serving.http.rate_limit import RateLimit
from serving.settings import Settings
from serving.telemetry.later import later
from serving.telemetry.logs import REQUEST_ID, Line, log_requests
from serving.telemetry.metrics import metrics

STABLE = "/v1"  # each address is there below this prefix too, for clients that want it to stay
PAGE = "/ui"  # the explorer's own files: it asks for the token itself
_HEALTH = {"/healthz", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
_OPEN = _HEALTH | {"/", PAGE}
# Every other path is counted as "other", so that a scanner makes no new time series.
_COUNTED = {
    "/predict",
    "/predict/batch",
    "/explain",
    "/similar",
    "/prototypes",
    "/feedback",
    "/gallery",
    "/map",
    "/model",
    "/v2",
    "/metrics",
    "/docs.json",
    "/admin/reload",
} | _OPEN
_QUIET = _HEALTH | {"/metrics"}  # asked for all the time: not logged
# BentoML refuses pickles as well, but logs a traceback each time.
_PICKLE = "application/vnd.bentoml+pickle"
_IDS = 256  # made at once
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Access:
    """ASGI middleware around all others of the service.

    With a token in the settings every request must bear it, except those for health and for the
    page's own files. Without a token only this machine is answered (`refused_without_token`), and
    nobody at /admin. Every answer, refusals too, gets the headers of `Origins`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        token = settings.api_token
        self._token = token.get_secret_value().encode() if token else None
        self._origins = Origins(settings.allow_origins)
        limit = settings.rate_limit
        self._rate_limit = RateLimit(limit) if limit else None
        self._new_id = _Ids().next

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(f"{STABLE}/"):
            scope["path"] = scope["path"].removeprefix(STABLE)
        headers = first_headers(scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else self._new_id()
        REQUEST_ID.set(request_id)
        scope["dpnp.log"] = {}  # what the endpoints add to the request's line
        start, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, sent = message["status"], list(message["headers"])
                sent.append((b"x-request-id", request_id.encode()))
                message["headers"] = sent + self._origins.headers(headers.get("origin"), sent)
            await send(message)

        try:
            if (answered := self._answered_here(scope, headers)) is not None:
                await answered(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - start
            later().put(_record, _Ended(scope, request_id, status, seconds, time.time()))
            later().schedule()

    def _answered_here(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a preflight, or to a request that is refused; None lets it in."""
        if (preflight := self._origins.preflight(scope["method"], headers)) is not None:
            return preflight
        refused = self._refused(scope, headers)
        return None if refused is None else refused.response()

    def _refused(self, scope: Scope, headers: Headers) -> ServiceError | None:
        if headers.get("content-type", "").partition(";")[0].strip().lower() == _PICKLE:
            return ServiceError(415, "unsupported_media_type", "pickles are not accepted")
        path = scope["path"]
        if path in _OPEN or path.startswith(f"{PAGE}/"):
            return None
        # Before the token is looked at, so that nobody can guess it at full speed.
        if self._rate_limit is not None:
            wait = self._rate_limit.wait(client_key(scope), time.monotonic())
            if wait:
                return _too_often(math.ceil(wait))
        if self._token is None:
            return self._without_token(scope, headers)
        return self._bad_token(headers, self._token)

    def _without_token(self, scope: Scope, headers: Headers) -> ServiceError | None:
        if scope["path"].startswith("/admin/"):
            return ServiceError(
                403, "token_not_set", "this address is open only when the service has a token"
            )
        origin = headers.get("origin")
        if (refused := refused_without_token(scope, headers)) is not None:
            return refused
        if origin and not (self._origins.allows(origin) or same_origin(origin, headers)):
            return foreign_origin(origin)
        return None

    @staticmethod
    def _bad_token(headers: Headers, wanted: bytes) -> ServiceError | None:
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        given = token.strip().encode()
        if scheme.lower() == "bearer" and hmac.compare_digest(given, wanted):
            return None
        return ServiceError(401, "unauthorized", "send the header Authorization: Bearer TOKEN")


def _too_often(seconds: int) -> ServiceError:
    message = f"too many requests from this client; try again in {seconds} s"
    return ServiceError(429, "rate_limited", message, retry_after=seconds)


class _Ids:
    """Random ids for requests: the system is asked for many of them at once."""

    def __init__(self) -> None:
        self._ready: Iterator[str] = iter(())

    def next(self) -> str:
        """A new one, 32 hexadecimal digits."""
        found = next(self._ready, None)
        if found is None:
            digits = secrets.token_hex(16 * _IDS)
            self._ready = iter([digits[32 * i : 32 * i + 32] for i in range(_IDS)])
            found = next(self._ready)
        return found


class _Ended(NamedTuple):
    """A request that is over."""

    scope: Scope
    request_id: str
    status: int  # 0: the client went away before its answer
    seconds: float
    time: float  # of the clock, at its end


def _record(ended: Sequence[_Ended]) -> None:
    """Count and log requests."""
    endpoints = [_endpoint(request.scope["path"]) for request in ended]
    metrics().ended(
        [(name, each.status, each.seconds) for name, each in zip(endpoints, ended, strict=True)]
    )
    log_requests(
        [
            _told(name, each)
            for name, each in zip(endpoints, ended, strict=True)
            # 304: the explorer asks whether the bundle changed
            if name not in _QUIET and each.status != 304
        ]
    )


def _endpoint(path: str) -> str:
    first = "/" + path.split("/", 2)[1] if path.startswith("/") else path
    return next((e for e in (path, first) if e in _COUNTED), "other")


def _told(endpoint: str, request: _Ended) -> Line:
    scope = request.scope
    fields = {
        "request_id": request.request_id,
        "method": scope["method"],
        "path": scope["path"][:200],
        "status": request.status,
        "milliseconds": round(1000 * request.seconds, 2),
        "client": scope["client"][0] if scope.get("client") else None,
    }
    return Line(f"{scope['method']} {endpoint}", fields | scope["dpnp.log"], request.time)
