"""Bad requests to a real server: the documented status, the schema, and no harm done."""

import io
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from tests.serving.bad_requests import BAD, PNG
from tests.serving.servers import Server, upload


def expect_error(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "detail"}
    assert body["error"]["code"] == code
    assert isinstance(body["error"]["message"], str)


@pytest.mark.parametrize("name", BAD)
def test_bad_request(client: httpx.Client, name: str) -> None:
    path, sent, status, code = BAD[name]
    expect_error(client.post(path, **sent), status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/predict", 405, "method_not_allowed"),
        ("DELETE", "/explain", 405, "method_not_allowed"),
        ("POST", "/gallery/10", 405, "method_not_allowed"),
        ("GET", "/gallery/9", 404, "unknown_example"),
        ("GET", "/gallery/-1", 404, "unknown_example"),
        ("GET", "/gallery/abc", 404, "unknown_example"),
        ("GET", "/gallery/1e1", 404, "unknown_example"),
        ("GET", "/gallery/" + "9" * 5000, 404, "unknown_example"),
        ("GET", "/gallery/%D9%A1", 404, "unknown_example"),  # a digit, but not of ASCII
        ("GET", "/gallery/", 404, "not_found"),
        ("GET", "/gallery/..%2fmanifest.json", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/predict/submit", 404, "not_found"),
    ],
)
def test_other_routes(client: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    expect_error(client.request(method, path), status, code)


def test_messages_say_what_and_why(client: httpx.Client) -> None:
    def message(name: str) -> str:
        path, sent, *_ = BAD[name]
        return str(client.post(path, **sent).json()["error"]["message"])

    assert "13000×13000" in message("bomb")
    assert "JPEG, PNG, WEBP, BMP, GIF" in message("garbage")
    assert "red, green, blue" in message("pink")
    assert "not both" in message("both")
    assert "not neither" in message("neither")


def test_a_large_body_without_content_length(client: httpx.Client) -> None:
    head = b'--XX\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    chunks = iter([head, *[bytes(50_000)] * 40])
    response = client.post(
        "/predict", content=chunks, headers={"content-type": "multipart/form-data; boundary=XX"}
    )
    assert "content-length" not in response.request.headers
    expect_error(response, 413, "too_large")


def test_a_client_that_hangs_up_midway_harms_nobody(server: Server, client: httpx.Client) -> None:
    before = server.log.count("Traceback")
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    for _ in range(5):
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
                b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n--XX"
            )
    assert client.post("/predict", files=upload(PNG)).status_code == 200
    assert server.log.count("Traceback") == before


def test_bad_requests_beside_good_ones(server: Server) -> None:
    def send(name: str | None) -> httpx.Response:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            if name is None:
                return client.post("/predict", files=upload(PNG))
            path, sent, *_ = BAD[name]
            return client.post(path, **sent)

    jobs = [name for bad in BAD for name in (bad, None, None)]
    with ThreadPoolExecutor(8) as pool:
        for name, response in zip(jobs, pool.map(send, jobs), strict=True):
            if name is None:
                assert response.status_code == 200, response.text
                assert response.json()["label"] == "red"
            else:
                expect_error(response, *BAD[name][2:])


def test_pictures_cut_anywhere(client: httpx.Client) -> None:
    """Any prefix of any format is read or refused, never a 5xx."""
    picture = Image.effect_noise((16, 16), 60).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        data = buffer.getvalue()
        for end in range(0, len(data), max(1, len(data) // 25)):
            status = client.post("/predict", files=upload(data[:end])).status_code
            assert status in {200, 415}, (kind, end)
