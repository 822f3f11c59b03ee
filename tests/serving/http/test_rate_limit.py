"""How often one client may ask: the count, its memory, and the answers of a real server."""

from pathlib import Path

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from serving.http.rate_limit import RateLimit
from tests.serving.servers import BEARER, TOKEN, lines, serve


def test_as_many_at_once_as_in_a_minute() -> None:
    limit = RateLimit(3)
    assert [limit.wait("a", 100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    assert limit.wait("b", 100.0) == 0
    assert limit.wait("a", 115.0) == pytest.approx(5)  # a refused request costs nothing
    assert [limit.wait("a", 120.0) for _ in range(2)] == [0, pytest.approx(20)]
    assert [limit.wait("a", 1000.0) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]


def test_one_a_minute() -> None:
    limit = RateLimit(1)
    assert [limit.wait("a", now) for now in (0.0, 59.0, 60.0)] == [0, pytest.approx(1), 0]


def test_memory_is_bounded_and_the_longest_unseen_go_first() -> None:
    limit = RateLimit(1, max_clients=3)
    for client in "abcade":  # a is seen again, refused, and so stays as old as it was
        limit.wait(client, 0.0)
    assert list(limit._free_at) == ["c", "d", "e"]


def test_a_server_with_a_limit(toy_bundle: Bundle, tmp_path: Path) -> None:
    settings = {"DPNP_RATE_LIMIT": 5, "DPNP_ALLOW_ORIGINS": "https://lab.example"}
    with serve(
        tmp_path / "log", DPNP_BUNDLE=toy_bundle.path, DPNP_API_TOKEN=TOKEN, **settings
    ) as server:

        def ask(**headers: str) -> httpx.Response:
            return httpx.get(f"{server.url}/map", headers=BEARER | headers)

        # A header is not believed: no proxy is trusted.
        codes = [ask(**{"x-forwarded-for": f"203.0.113.{i}"}).status_code for i in range(5)]
        assert codes == [200] * 5
        refused = ask(origin="https://lab.example")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 12
        assert refused.headers["access-control-allow-origin"] == "https://lab.example"
        # Nor may a token be guessed on.
        assert httpx.get(f"{server.url}/map").status_code == 429
        for path in ("/readyz", "/livez", "/ui/"):
            assert httpx.get(server.url + path).status_code == 200
        assert lines(server, status=429)[0]["client"] == "127.0.0.1"


def test_a_trusted_proxy_names_the_client(toy_bundle: Bundle, tmp_path: Path) -> None:
    settings = {"DPNP_RATE_LIMIT": 1, "DPNP_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1"}
    with serve(
        tmp_path / "log", DPNP_BUNDLE=toy_bundle.path, DPNP_API_TOKEN=TOKEN, **settings
    ) as server:

        def ask(chain: str) -> int:
            headers = BEARER | {"x-forwarded-for": chain}
            return httpx.get(f"{server.url}/map", headers=headers).status_code

        assert [ask("203.0.113.7"), ask("203.0.113.8"), ask("203.0.113.7")] == [200, 200, 429]
        # What the client itself wrote stands before what the proxies added.
        assert ask("198.51.100.1, 203.0.113.7, 10.1.2.3") == 429
