"""The outermost layer of every request: who may ask, its id, its line in the log, its metrics."""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.errors import ServiceError
from serving.settings import Settings
from serving.telemetry.logs import LOG, REQUEST_ID
from serving.telemetry.metrics import metrics

PAGE = "/ui"  # the explorer's own files: it asks for the token itself
_OPEN = {"/healthz", "/livez", "/readyz", PAGE}
# Every other path is counted as "other", so that a scanner makes no new time series.
_COUNTED = {
    "/predict",
    "/explain",
    "/similar",
    "/prototypes",
    "/feedback",
    "/gallery",
    "/map",
    "/metrics",
    "/docs.json",
    "/admin/reload",
} | _OPEN
_QUIET = {"/healthz", "/livez", "/readyz", "/metrics"}  # asked for all the time: not logged
# BentoML refuses pickles as well, but logs a traceback each time.
_PICKLE = "application/vnd.bentoml+pickle"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Access:
    """ASGI middleware around all others of the service.

    With a token in the settings every request must bear it, except those for health and for the
    page's own files. Without a token only clients on this machine are answered, and nobody at
    /admin.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        token = settings.api_token
        self._token = token.get_secret_value().encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(16)
        REQUEST_ID.set(request_id)
        scope["dpnp.log"] = {}  # what the endpoints add to the request's line
        start, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            if (refused := self._refused(scope, headers)) is not None:
                await refused.response()(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            _record(scope, status, time.perf_counter() - start)

    def _refused(self, scope: Scope, headers: Headers) -> ServiceError | None:
        if headers.get("content-type", "").partition(";")[0].strip().lower() == _PICKLE:
            return ServiceError(415, "unsupported_media_type", "pickles are not accepted")
        path = scope["path"]
        if path in _OPEN or path.startswith(f"{PAGE}/"):
            return None
        if self._token is None:
            if path.startswith("/admin/"):
                return ServiceError(
                    403, "token_not_set", "this address is open only when the service has a token"
                )
            if not _loopback(scope):
                return ServiceError(
                    403,
                    "token_not_set",
                    "this service has no token, so it answers clients on its own machine only",
                )
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._token):
            return None
        return ServiceError(401, "unauthorized", "send the header Authorization: Bearer TOKEN")


def _loopback(scope: Scope) -> bool:
    if not scope.get("client"):
        return True  # a socket file
    try:
        address = ipaddress.ip_address(scope["client"][0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _record(scope: Scope, status: int, seconds: float) -> None:
    path = scope["path"]
    first = "/" + path.split("/", 2)[1] if path.startswith("/") else path
    endpoint = next((e for e in (path, first) if e in _COUNTED), "other")
    counted = metrics()
    counted.requests.labels(endpoint, status or "none").inc()  # none: the client went away
    counted.request_seconds.labels(endpoint).observe(seconds)
    if endpoint in _QUIET or status == 304:  # 304: the explorer asks whether the bundle changed
        return
    fields = {
        "method": scope["method"],
        "path": path[:200],
        "status": status,
        "milliseconds": round(1000 * seconds, 2),
        "client": scope["client"][0] if scope.get("client") else None,
    }
    LOG.info("%s %s", scope["method"], endpoint, extra={"fields": fields | scope["dpnp.log"]})
