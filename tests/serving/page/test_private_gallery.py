"""The page over a gallery without pictures, and one whose pictures cannot be reached."""

from pathlib import Path

from interpret.bundle.bundle import Bundle
from interpret.edit.gallery_update import update_gallery
from tests.serving.browser import browse, needs_chromium
from tests.serving.page.pictures import ask, ready
from tests.serving.page.test_accessibility import violations
from tests.serving.servers import RED, free_port, plain, serve

pytestmark = needs_chromium
TILES = "return [...document.querySelectorAll('#examples .example')].map((e) => e.textContent)"


def test_no_pictures(toy_bundle: Bundle, tmp_path: Path) -> None:
    private = update_gallery(toy_bundle, {}, [], tmp_path / "bundle", mode="none").bundle
    (tmp_path / "red.png").write_bytes(plain(RED))
    with (
        serve(tmp_path / "log", DPNP_BUNDLE=private.path) as server,
        browse(f"{server.url}/ui/") as page,
    ):
        ready(page)
        ask(page, tmp_path / "red.png")
        tiles = page.run(TILES)
        assert isinstance(tiles, list)
        assert tiles[:3] == ["red0.0", "red0.5", "green1.1"]
        assert page.run("return document.querySelectorAll('.example img').length") == 0
        assert page.run("return document.querySelectorAll('#examples button').length") == 0
        page.press("#classes button")
        page.wait("$('#prototype .example')")
        words = page.texts(".gallery-note")
        assert len(words) == 3
        assert words[0].startswith("This model comes without the pictures of its training images")
        assert page.texts("#offered, #press-dots") == []
        assert violations(page) == []
        assert not [url for url in page.requested() if "/gallery/" in url]
        assert page.complaints() == []


def test_pictures_that_cannot_be_reached(toy_bundle: Bundle, tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}/"
    remote = update_gallery(toy_bundle, {}, [], tmp_path / "bundle", mode="remote", url=away).bundle
    (tmp_path / "red.png").write_bytes(plain(RED))
    with (
        serve(tmp_path / "log", DPNP_BUNDLE=remote.path) as server,
        browse(f"{server.url}/ui/") as page,
    ):
        ready(page)
        page.wait("$('.gallery-note').textContent")
        ask(page, tmp_path / "red.png")  # at once: the service itself is not busy
        assert page.text("#progress-words") == ""
        page.wait("document.querySelectorAll('#examples img.absent').length === 18")
        assert "the place of the gallery's pictures cannot be used" in page.text(".gallery-note")
        tiles = page.run(TILES)
        assert isinstance(tiles, list)
        assert tiles[0] == "red0.0"
        box = page.run("return $('#examples img').getBoundingClientRect().toJSON()")
        assert isinstance(box, dict)
        assert (box["width"], box["height"]) == (64, 64)
        assert violations(page) == []
