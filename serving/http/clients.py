"""Who asks: from which machine, under which of the service's names, for which page."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from serving.http.errors import ServiceError

_FORWARDED_FOR = re.compile(r'for="?\[?([^\]";,]*)', re.IGNORECASE)  # RFC 7239
_BEGIN = "this service has no token, so it answers"


def refused_without_token(scope: Scope, headers: Headers) -> ServiceError | None:
    """Why a service without a token refuses this request; None when it comes from this machine.

    Three things must hold. The client is on this machine, and so is each for whom a proxy says it
    asks. The Host is a name that every machine has for itself: under a name of their own, other
    people's pages could reach the service through the reader's browser (DNS rebinding). A page
    that asks is the service's own: see `same_origin`.
    """
    if not _from_this_machine(scope, headers):
        return ServiceError(403, "token_not_set", f"{_BEGIN} clients on its own machine only")
    host = headers.get("host", "")
    if not _loopback_name(host):
        return ServiceError(
            403,
            "foreign_host",
            f"{_BEGIN} at localhost and 127.0.0.1 only, not at {host[:100]!r}; "
            "DPNP_API_TOKEN opens it",
        )
    return None


def same_origin(origin: str, headers: Headers) -> bool:
    """Whether a page of this origin is the service's own: its host is the one that was asked."""
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


def client_key(scope: Scope) -> str:
    """The client for counting: its address; of IPv6 the network that one household has."""
    if not scope.get("client"):
        return "socket file"
    name: str = scope["client"][0]
    address = _address(name)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return name if address is None else str(address)


def _from_this_machine(scope: Scope, headers: Headers) -> bool:
    names = [scope["client"][0]] if scope.get("client") else []  # none: a socket file
    for header in ("x-forwarded-for", "x-real-ip"):
        if header in headers:  # looked up at once; the list goes through all headers
            for value in headers.getlist(header):
                names += [name.strip() for name in value.split(",")]
    if "forwarded" in headers:
        for value in headers.getlist("forwarded"):
            names += _FORWARDED_FOR.findall(value)
    return all(map(_loopback, names))


@lru_cache(256)
def _loopback(name: str) -> bool:
    address = _address(name)
    return address is not None and address.is_loopback


def _loopback_name(host: str) -> bool:
    name = host.lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    else:
        name = name.partition(":")[0].removesuffix(".")
    return name == "localhost" or name.endswith(".localhost") or _loopback(name)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
