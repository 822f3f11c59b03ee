"""What all POST endpoints share: the bundle they tell, and the ways that lead to them."""

import httpx
import pytest

from interpret.bundle.bundle import Bundle
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
