"""Which requests a service without a token answers."""

import pytest
from starlette.datastructures import Headers

from serving.http.clients import client_key, refused_without_token, same_origin


def code(client: str | None, **headers: str) -> str | None:
    scope = {"client": None if client is None else (client, 50_000)}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    refused = refused_without_token(scope, Headers({"host": "localhost:3000"} | sent))
    return refused and refused.code


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:3000", "localhost.", "page.localhost:3000"),
        *("127.0.0.1:3000", "127.9.9.9", "[::1]:3000", "[::1]"),
    ],
)
def test_every_machine_s_names_for_itself(host: str) -> None:
    assert code("127.0.0.1", host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:3000", "localhost.evil.example", "notlocalhost"),
        *("127.0.0.1.evil.example", "192.168.1.7", "0.0.0.0", "[2001:db8::1]:3000", "127.1"),
        "evil.example:127.0.0.1",
    ],
)
def test_a_name_of_others_is_refused(host: str) -> None:
    assert code("127.0.0.1", host=host) == "foreign_host"


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.3.2.1", None])
def test_clients_on_this_machine(client: str | None) -> None:
    assert code(client) is None
    assert code(client, x_forwarded_for="127.0.0.1, ::1") is None
    assert code(client, forwarded='for=127.0.0.1;proto=http, for="[::1]"') is None


@pytest.mark.parametrize("client", ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7", "unknown"])
def test_clients_elsewhere(client: str) -> None:
    assert code(client) == "token_not_set"
    assert code("127.0.0.1", x_forwarded_for=client) == "token_not_set"
    assert code("127.0.0.1", x_forwarded_for=f"{client}, 127.0.0.1") == "token_not_set"
    assert code("127.0.0.1", x_real_ip=client) == "token_not_set"
    assert code("127.0.0.1", forwarded=f'proto=https;For="[{client}]"') == "token_not_set"


def test_the_service_s_own_page() -> None:
    headers = Headers({"host": "Localhost:3000"})
    assert same_origin("http://localhost:3000", headers)
    assert same_origin("https://LOCALHOST:3000", headers)
    for origin in ("http://localhost:8000", "http://evil.example", "null", "", "localhost:3000"):
        assert not same_origin(origin, headers)


def test_a_household_counts_as_one() -> None:
    keys = [client_key({"client": (a, 1)}) for a in ("2001:db8::1", "2001:db8::ffff:1")]
    assert keys == ["2001:db8::/64"] * 2
    assert client_key({"client": ("::ffff:203.0.113.7", 1)}) == "203.0.113.7"
    assert client_key({"client": ("not an address", 1)}) == "not an address"
    assert client_key({}) == "socket file"
