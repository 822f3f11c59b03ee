"""Private galleries over a real server; the pictures' place is a real HTTP server, too."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from interpret.edit.gallery_update import update_gallery
from tests.serving.servers import BEARER, RED, TOKEN, plain, serve, upload


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/13.webp":
            self.send_response(302)
            self.send_header("location", "/10.webp")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "bundle-thumbnails"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_remote_then_none(toy_bundle: Bundle, place: str, tmp_path: Path):
    path = tmp_path / "bundle"
    update_gallery(toy_bundle, {}, [], path, mode="remote", url=place)
    folder = tmp_path / "bundle-thumbnails"
    (folder / "11.webp").write_text("no picture")
    (folder / "12.webp").unlink()
    settings = {"DPNP_BUNDLE": path, "DPNP_API_TOKEN": TOKEN}
    with (
        serve(tmp_path / "log", **settings) as server,
        httpx.Client(base_url=server.url, headers=BEARER, timeout=30) as client,
    ):
        shown = client.get("/gallery/10")
        assert shown.content == toy_bundle.gallery.thumbnails[0]
        assert shown.headers["content-type"] == "image/webp"
        found = [client.get(f"/gallery/{number}") for number in (11, 12, 13, 99)]
        assert [answer.status_code for answer in found] == [503, 404, 503, 404]
        assert found[0].json()["error"]["code"] == "gallery_unreachable"
        assert httpx.get(f"{server.url}/gallery/10").status_code == 401
        private = update_gallery(Bundle.load(path), {}, [], path, mode="none").bundle
        reloaded = client.post("/admin/reload").json()["model"]["fingerprint"]
        assert reloaded == private.manifest.fingerprint
        explained = client.post("/explain", files=upload(plain(RED))).json()
        assert [e["thumbnail"] for e in explained["neighbours"]] == [None] * 6
        assert client.get("/gallery/10").status_code == 404
