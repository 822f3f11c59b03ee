"""The routes beside the endpoints, over a real server: map, thumbnails and the page's files."""

import io
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from interpret.figures.content_policy import EXPLORER
from serving.http.errors import ServiceError
from serving.http.routes import _stored
from tests.serving.servers import RED, Server, lines, plain, upload


def test_map(client: httpx.Client, toy_bundle: Bundle) -> None:
    answer = client.get("/map").json()
    assert answer == {
        "kept": 1.0,
        "radius": 1.0,
        "class_names": ["red", "green", "blue"],
        "colours": ["#0072b2", "#e69f00", "#009e73"],
        "fit": "crop",
        "input_size": 4,
        "gallery_mode": "pictures",
        "prototypes": np.eye(3).tolist(),
        "ids": [10, 11, 12, 13, 14, 15],
        "labels": [0, 1, 2, 0, 1, 2],
        "points": toy_bundle.embeddings.tolist(),
        "model": {"name": "toy", "fingerprint": toy_bundle.manifest.fingerprint},
    }


def test_gallery(client: httpx.Client, toy_bundle: Bundle) -> None:
    response = client.get("/gallery/12")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.content == toy_bundle.gallery.thumbnails[2]
    assert Image.open(io.BytesIO(response.content)).convert("RGB").getpixel((0, 0)) == (0, 0, 255)


def test_a_thumbnail_whose_file_was_changed_is_a_503() -> None:
    """The later files of thumbnails are checked when their first picture is read."""

    class Changed:
        def __getitem__(self, row: int) -> bytes:
            raise BundleError("thumbnails-001.bin: changed since it was written")

    gallery = SimpleNamespace(thumbnails=Changed())
    engine = SimpleNamespace(explainer=SimpleNamespace(bundle=SimpleNamespace(gallery=gallery)))
    with pytest.raises(ServiceError) as caught:
        _stored(engine, 0)
    assert (caught.value.status, caught.value.code) == (503, "gallery_damaged")


def test_every_thumbnail_in_an_answer_is_served(client: httpx.Client) -> None:
    answer = client.post("/explain", files=upload(plain(RED))).json()
    for example in answer["neighbours"]:
        assert client.get(example["thumbnail"]).status_code == 200


@pytest.mark.parametrize("path", ["/map", "/gallery/12"])
def test_what_a_browser_has_is_not_sent_again(
    client: httpx.Client, toy_bundle: Bundle, path: str
) -> None:
    first = client.get(path)
    fingerprint = toy_bundle.manifest.fingerprint
    assert first.headers["etag"] == f'"{fingerprint}"'
    assert first.headers["cache-control"] == "private, no-cache"
    for names in (f'"{fingerprint}"', f'"other", W/"{fingerprint}"'):
        again = client.get(path, headers={"if-none-match": names})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    changed = client.get(path, headers={"if-none-match": '"of another bundle"'})
    assert (changed.status_code, changed.content) == (200, first.content)


def test_an_unchanged_map_is_not_logged(server: Server, client: httpx.Client) -> None:
    tag = client.get("/map").headers["etag"]
    client.get("/map", headers={"if-none-match": tag, "x-request-id": "unchanged"})
    client.get("/map", headers={"x-request-id": "sent"})
    assert lines(server, request_id="sent")
    assert not [row for row in lines(server, path="/map") if row["request_id"] == "unchanged"]


@pytest.mark.parametrize("path", ["/map", "/gallery/12", "/gallery/9"])
def test_answers_tell_their_bundle(client: httpx.Client, toy_bundle: Bundle, path: str) -> None:
    fingerprint = client.get(path).headers["x-model-fingerprint"]
    assert fingerprint == toy_bundle.manifest.fingerprint


def test_the_page_comes_under_a_strict_policy(client: httpx.Client) -> None:
    response = client.get("/ui/")
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["content-security-policy"] == EXPLORER
    assert client.get("/ui").headers["location"].endswith("/ui/")
    assert client.get("/ui/nothing.js").json()["error"]["code"] == "not_found"
    assert client.get("/ui/palette.css").headers["content-security-policy"] == EXPLORER
    for path in ("/ui/..%2f..%2fservice.py", "/ui/%2e%2e/service.py"):
        assert client.get(path).status_code == 404
