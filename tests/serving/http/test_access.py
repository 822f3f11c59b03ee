"""Who may ask, request ids and the log, over real servers."""

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from tests.serving.servers import (
    BEARER,
    BENTOML,
    RED,
    ROOT,
    TOKEN,
    Server,
    environment,
    lines,
    plain,
    serve,
    upload,
)


@pytest.fixture(scope="module")
def guarded(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a token."""
    log = tmp_path_factory.mktemp("guarded") / "log"
    with serve(log, DPNP_BUNDLE=toy_bundle.path, DPNP_API_TOKEN=TOKEN) as running:
        yield running


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer caf\u00e9".encode(),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/predict"), ("GET", "/map"), ("GET", "/metrics"), ("POST", "/admin/reload")],
)
def test_without_the_token(
    guarded: Server, method: str, path: str, header: str | bytes | None
) -> None:
    headers = {} if header is None else {"authorization": header}
    response = httpx.request(method, guarded.url + path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "unauthorized"
    assert TOKEN not in response.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Bearer "])
def test_with_the_token(guarded: Server, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {TOKEN}"}
    response = httpx.post(f"{guarded.url}/predict", files=upload(plain(RED)), headers=headers)
    assert response.json()["label"] == "red"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/ui/"])
def test_health_and_the_page_need_no_token(guarded: Server, path: str) -> None:
    assert httpx.get(guarded.url + path).status_code == 200


def test_without_a_token_others_are_refused(server: Server, client: httpx.Client) -> None:
    # The server believes a proxy on its own machine when it says whom it asks for.
    for address in ("203.0.113.7", "2001:db8::7", "not an address"):
        response = client.post(
            "/predict", files=upload(plain(RED)), headers={"x-forwarded-for": address}
        )
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "token_not_set"
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        headers = {"x-forwarded-for": address}
        response = client.post("/predict", files=upload(plain(RED)), headers=headers)
        assert response.status_code == 200
    assert client.post("/admin/reload").status_code == 403
    for host in ("evil.example", "evil.example:3000"):  # DNS rebinding
        response = client.post("/predict", files=upload(plain(RED)), headers={"host": host})
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "foreign_host"
    assert client.get("/readyz", headers={"host": "10.1.2.3:3000"}).status_code == 200
    assert lines(server, level="warning")[0]["message"].startswith("no DPNP_API_TOKEN is set")


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("short", "a token has 16 characters or more"),
        ("  \n", "empty"),
        (
            "two words in a token",
            "a token has letters, digits and ASCII signs alone, no space within",
        ),
        ("passw\u00f6rter-sind-lang", "a token has letters, digits and ASCII signs alone"),
    ],
)
def test_an_unusable_token_is_refused(token: str, fault: str) -> None:
    done = subprocess.run(
        [BENTOML, "serve", "."],
        cwd=ROOT,
        env=environment(DPNP_API_TOKEN=token),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert f"DPNP_API_TOKEN: {fault}" in text
    assert token.strip() not in text or not token.strip()


@pytest.mark.parametrize("path", ["/predict", "/nowhere", "/gallery/10", "/ui/"])
def test_a_request_id_comes_back(client: httpx.Client, path: str) -> None:
    assert client.get(path, headers={"x-request-id": "a-1"}).headers["x-request-id"] == "a-1"
    made = {client.get(path).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    for bad in ("", "a b", "x" * 65, "a;b"):
        assert client.get(path, headers={"x-request-id": bad}).headers["x-request-id"] != bad


def test_the_log_tells_of_each_request(guarded: Server) -> None:
    picture = plain(RED)
    sent = {"headers": BEARER | {"x-request-id": "logged-1"}, "files": upload(picture)}
    assert httpx.post(f"{guarded.url}/predict", **sent).status_code == 200
    (row,) = lines(guarded, request_id="logged-1")
    assert row["time"].endswith("+00:00")
    assert row["milliseconds"] > 0
    expected = {"level": "info", "worker": 1, "method": "POST", "path": "/predict", "status": 200}
    assert row.items() >= (expected | {"label": "red", "verdict": "accept"}).items()
    assert TOKEN not in guarded.log
    assert "PNG" not in guarded.log


def test_every_line_of_the_log_is_json(guarded: Server) -> None:
    httpx.get(f"{guarded.url}/nowhere%0A%1B[31m", headers=BEARER)
    assert all(json.loads(line)["level"] for line in guarded.log.rpartition("\n")[0].splitlines())
