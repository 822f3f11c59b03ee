"""A request's headers, which the layers, the endpoint and the reader of its body all ask for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

_KEPT = "dpnp.headers"  # in the scope of a request


class FirstHeaders(Headers):
    """Headers that are looked up in a dict. Of a name that comes twice the first counts.

    Starlette's own go through all of them each time.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._first = dict(reversed(self.raw))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name in lower case."""
        value = self._first.get(key.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.encode("latin-1") in self._first


def first_headers(scope: Scope) -> FirstHeaders:
    """The headers of a request, made once."""
    headers: FirstHeaders | None = scope.get(_KEPT)
    if headers is None:
        headers = scope[_KEPT] = FirstHeaders(scope)
    return headers


class DirectRequest(Request):
    """Starlette's request, with these headers."""

    @cached_property
    def headers(self) -> FirstHeaders:
        """The headers."""
        return first_headers(self.scope)
