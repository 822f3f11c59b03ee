"""Bad requests to a real server: the documented status, the schema, at once, and no harm done."""

import io
import socket
import statistics
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from tests.serving.servers import RED, Server, encode, plain, upload

SECONDS = 0.2


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def bomb(side: int = 13_000) -> bytes:
    """A PNG of some 20 KB whose header announces side² pixels, and keeps the promise."""
    rows = zlib.compress(bytes(side // 8 + 1) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


JPEG = encode(Image.effect_noise((64, 64), 60).convert("RGB"), "JPEG")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/x"/></svg>'
TIFF = encode(Image.new("RGB", (4, 4)), "TIFF")
PNG = plain(RED)
RAW_PNG = {"content": PNG, "headers": {"content-type": "image/png"}}
PICKLE = {"content": b"\x80\x04.", "headers": {"content-type": "application/vnd.bentoml+pickle"}}
NO_BOUNDARY = {"content": PNG, "headers": {"content-type": "multipart/form-data"}}
BOTH = {"files": upload(PNG), "data": {"prototype": "red"}}

BAD = {
    "garbage": ("/predict", {"files": upload(bytes(range(256)))}, 415, "not_an_image"),
    "empty file": ("/predict", {"files": upload(b"")}, 415, "not_an_image"),
    "text called .png": ("/predict", {"files": upload(b"hello")}, 415, "not_an_image"),
    "svg": ("/predict", {"files": upload(SVG, "x.svg", "image/svg+xml")}, 415, "not_an_image"),
    "tiff": ("/predict", {"files": upload(TIFF)}, 415, "not_an_image"),
    "truncated jpeg": ("/predict", {"files": upload(JPEG[:-200])}, 415, "broken_image"),
    "truncated png": ("/predict", {"files": upload(PNG[:-20])}, 415, "broken_image"),
    "bomb": ("/predict", {"files": upload(bomb())}, 413, "too_many_pixels"),
    "bomb, explained": ("/explain", {"files": upload(bomb())}, 413, "too_many_pixels"),
    "large": ("/predict", {"files": upload(bytes(300_000))}, 413, "too_large"),
    "empty body": ("/predict", {}, 400, "malformed"),
    "no boundary": ("/predict", NO_BOUNDARY, 400, "malformed"),
    "json": ("/predict", {"json": {"image": "x"}}, 415, "unsupported_media_type"),
    "pickle": ("/predict", PICKLE, 415, "unsupported_media_type"),
    "raw body": ("/predict", RAW_PNG, 415, "unsupported_media_type"),
    "other field": ("/predict", {"files": {"picture": PNG}}, 422, "invalid_field"),
    "text field": ("/predict", {"data": {"image": "http://127.0.0.1/"}}, 422, "invalid_field"),
    "k 0": ("/explain", {"files": upload(PNG), "data": {"k": "0"}}, 422, "invalid_field"),
    "k -1": ("/explain", {"files": upload(PNG), "data": {"k": "-1"}}, 422, "invalid_field"),
    "k 1000": ("/similar", {"files": upload(PNG), "data": {"k": "1000"}}, 422, "invalid_field"),
    "k abc": ("/similar", {"files": upload(PNG), "data": {"k": "abc"}}, 422, "invalid_field"),
    "pink": ("/similar", {"data": {"prototype": "pink"}}, 422, "unknown_prototype"),
    "rival pink": (
        "/explain",
        {"files": upload(PNG), "data": {"rival": "pink"}},
        422,
        "unknown_prototype",
    ),
    "own rival": ("/explain", {"files": upload(PNG), "data": {"rival": "red"}}, 422, "own_rival"),
    "both": (
        "/similar",
        {"files": upload(PNG), "data": {"prototype": "red"}},
        422,
        "invalid_field",
    ),
    "neither": ("/similar", {"data": {"k": "3"}}, 422, "invalid_field"),
}


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
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        response = client.post(path, **sent)
        seconds.append(time.perf_counter() - start)
        expect_error(response, status, code)
    assert statistics.median(seconds) < SECONDS


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
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
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
