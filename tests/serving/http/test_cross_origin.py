"""Pages of other origins: preflights, answers and refusals of real servers."""

from collections.abc import Iterator

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from serving.http.cross_origin import Origins
from tests.serving.servers import BEARER, RED, TOKEN, Server, plain, serve, upload

LAB = "https://lab.example"
ASKS = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
SECURE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


@pytest.fixture(scope="module")
def guarded(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("guarded") / "log"
    with serve(
        log,
        DPNP_BUNDLE=toy_bundle.path,
        DPNP_API_TOKEN=f" {TOKEN}\n",
        DPNP_ALLOW_ORIGINS=f"{LAB}, http://localhost:8000/",
        DPNP_MAX_BYTES=2000,
    ) as running:
        yield running


@pytest.mark.parametrize("origin", [LAB, "http://localhost:8000"])
@pytest.mark.parametrize("path", ["/predict", "/map", "/nowhere"])
def test_a_preflight_needs_no_token(guarded: Server, origin: str, path: str) -> None:
    answer = httpx.options(guarded.url + path, headers=ASKS | {"origin": origin})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type"} <= set(allowed)
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://lab.example", "null"])
def test_a_preflight_from_elsewhere(guarded: Server, origin: str) -> None:
    answer = httpx.options(f"{guarded.url}/predict", headers=ASKS | {"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_origin"
    assert "access-control-allow-origin" not in answer.headers


REQUESTS = {
    200: ("POST", "/predict", {"files": upload(plain(RED)), "headers": BEARER}),
    304: ("GET", "/map", {"headers": BEARER}),
    401: ("POST", "/predict", {"files": upload(plain(RED))}),
    404: ("GET", "/nowhere", {"headers": BEARER}),
    405: ("DELETE", "/map", {"headers": BEARER}),
    413: ("POST", "/predict", {"files": upload(bytes(3000)), "headers": BEARER}),
    415: ("POST", "/predict", {"files": upload(b"x"), "headers": BEARER}),
}


@pytest.mark.parametrize("status", REQUESTS)
def test_answers_and_refusals_may_be_read(guarded: Server, status: int) -> None:
    method, path, sent = REQUESTS[status]
    headers = sent.get("headers", {}) | {"origin": LAB}
    if status == 304:
        first = httpx.get(f"{guarded.url}{path}", headers=headers)
        headers |= {"if-none-match": first.headers["etag"]}
    answer = httpx.request(method, guarded.url + path, **sent | {"headers": headers})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == LAB
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"]
    assert SECURE.items() <= dict(answer.headers).items()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_with_the_token_a_page_from_elsewhere_is_answered_but_cannot_read(guarded: Server) -> None:
    headers = BEARER | {"origin": "https://evil.example"}
    answer = httpx.get(f"{guarded.url}/map", headers=headers)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


def test_without_a_token_no_foreign_page_may_ask(server: Server, client: httpx.Client) -> None:
    for origin in ("https://evil.example", "null", f"{server.url}0"):
        answer = client.post("/predict", files=upload(plain(RED)), headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
    own = client.post("/predict", files=upload(plain(RED)), headers={"origin": server.url})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers
    assert own.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/ui/", "/readyz", "/map", "/nowhere", "/gallery/10", "/metrics"])
def test_every_answer_is_protected(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert SECURE.items() <= dict(answer.headers).items()
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy[0]


def test_all_origins() -> None:
    origins = Origins(("*",))
    added = dict(origins.headers("https://any.example", []))
    assert added[b"access-control-allow-origin"] == b"*"
    assert b"vary" not in added
    assert b"access-control-allow-origin" not in dict(Origins(()).headers(LAB, []))


def test_the_front_page_is_the_explorer_and_bentomls_is_gone(client: httpx.Client) -> None:
    for path in ("/", "/ui"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, "./ui/")
        page = client.get(path, follow_redirects=True)
        assert page.url.path == "/ui/"
        assert "googletagmanager" not in page.text
    for path in ("/static_content/swagger-initializer.js", "/static_content/index.css"):
        assert client.get(path).status_code == 404
