"""Which other origins' pages may ask and read (CORS), and the headers that protect each answer."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response

from interpret.figures.content_policy import NOTHING
from serving.http.errors import ServiceError

RawHeaders = list[tuple[bytes, bytes]]

_METHODS = "GET, HEAD, POST"
_SENT = (
    "authorization, content-encoding, content-type, inference-header-content-length, x-request-id"
)
_READ = b"x-request-id, x-model-fingerprint, inference-header-content-length, retry-after, etag"
_REMEMBERED = "600"  # seconds that a browser need not ask again
_SECURE: RawHeaders = [
    (b"content-security-policy", NOTHING.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),  # frame-ancestors, for old browsers
    (b"referrer-policy", b"no-referrer"),
]


class Origins:
    """The origins in DPNP_ALLOW_ORIGINS. Answers and refusals alike carry their headers."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed, self._any = frozenset(allowed), "*" in allowed
        resource = b"cross-origin" if allowed else b"same-origin"
        self._always = [*_SECURE, (b"cross-origin-resource-policy", resource)]
        if allowed and not self._any:
            self._always.append((b"vary", b"origin"))

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read answers."""
        return self._any or origin in self._allowed

    def headers(self, origin: str | None, given: RawHeaders) -> RawHeaders:
        """What is added to an answer's `given` headers; its own policies stay."""
        names = {name for name, _ in given}
        added = [pair for pair in self._always if pair[0] not in names or pair[0] == b"vary"]
        if origin is not None and self.allows(origin):
            allowed = b"*" if self._any else origin.encode("latin-1")
            added.append((b"access-control-allow-origin", allowed))
            added.append((b"access-control-expose-headers", _READ))
        return added

    def preflight(self, method: str, headers: Headers) -> Response | None:
        """The answer to a browser that asks before it lets a page ask; None for other requests."""
        if method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        if not (origin := headers.get("origin")):
            return None
        if not self.allows(origin):
            return foreign_origin(origin).response()
        return Response(
            status_code=204,
            headers={
                "access-control-allow-methods": _METHODS,
                "access-control-allow-headers": _SENT,
                "access-control-max-age": _REMEMBERED,
            },
        )


def foreign_origin(origin: str) -> ServiceError:
    """The refusal of a page from elsewhere."""
    return ServiceError(
        403,
        "foreign_origin",
        f"pages of {origin[:100]!r} may not ask this service; DPNP_ALLOW_ORIGINS names those "
        "that may",
    )
