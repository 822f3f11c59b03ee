"""What all POST endpoints share: the bundle they tell, and the ways that lead to them."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from interpret.bundle.bundle import Bundle
from serving.http.endpoint import Outermost
from tests.serving.servers import RED, Server, lines, plain, upload


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/predict", {"files": upload(plain(RED))}, 200),
        ("/explain", {"files": upload(plain(RED))}, 200),
        ("/similar", {"data": {"prototype": "red"}}, 200),
        ("/prototypes", {}, 200),
        ("/similar", {"data": {"prototype": "pink"}}, 422),
        ("/predict", {}, 400),
    ],
)
def test_every_answer_tells_its_bundle(
    client: httpx.Client, toy_bundle: Bundle, path: str, sent: dict, status: int
) -> None:
    response = client.post(path, **sent)
    assert response.status_code == status
    assert response.headers["x-model-fingerprint"] == toy_bundle.manifest.fingerprint


def test_who_is_refused_learns_nothing_of_the_bundle(client: httpx.Client) -> None:
    response = client.post("/predict", headers={"x-forwarded-for": "203.0.113.7"})
    assert response.status_code == 403
    assert "x-model-fingerprint" not in response.headers


def test_the_verdict_stands_in_the_log(server: Server, client: httpx.Client) -> None:
    headers = {"x-request-id": "verdict-1"}
    client.post("/explain", files=upload(plain(RED)), headers=headers)
    (row,) = lines(server, request_id="verdict-1")
    assert (row["label"], row["verdict"]) == ("red", "accept")


def test_other_methods_go_through_bentoml(client: httpx.Client) -> None:
    response = client.get("/predict")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


class Layer:
    """ASGI middleware that writes down its name when a request comes by."""

    def __init__(self, app: ASGIApp, name: str, seen: list[str]) -> None:
        self.app, self.name, self.seen = app, name, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(self.name)
        await self.app(scope, receive, send)


@pytest.mark.parametrize("started", [True, False])
def test_our_layers_come_first_and_once(started: bool) -> None:
    seen: list[str] = []
    app = Starlette(
        middleware=[
            Middleware(Layer, name="theirs", seen=seen),
            Middleware(Outermost, layers=lambda inner: Layer(inner, "ours", seen)),
        ]
    )

    async def ask() -> int:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            if started:
                messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

                async def receive() -> dict[str, str]:
                    return next(messages)

                async def send(message: object) -> None:
                    pass

                await app({"type": "lifespan"}, receive, send)
            return (await client.get("/nowhere")).status_code

    assert asyncio.run(ask()) == 404
    # An application that nobody starts is protected as well, only later.
    assert seen == (["ours", "theirs"] if started else ["theirs", "ours"])
