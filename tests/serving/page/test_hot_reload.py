"""The explorer while another bundle takes over, and while thumbnails fail, in a real browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from interpret.bundle.bundle import write_bundle
from tests.conftest import TOY_MODEL, toy_gallery, toy_manifest, write_toy_bundle
from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.servers import RED, plain, serve

PRESSED = "$('#classes button:nth-child(3)').click()"
# The colours of all thumbnails of an element, as "r,g,b"; null as long as one is not there.
COLOURS = """
const pen = document.createElement('canvas').getContext('2d');
const images = [...document.querySelectorAll(arguments[0] + ' img')];
if (!images.length || images.some((image) => !image.naturalWidth)) return null;
return images.map((image) => {
  pen.drawImage(image, 0, 0);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)].join();
});
"""


def write_second_bundle(path: Path) -> None:
    """The toy under another name: classes renamed, and under each id another image."""
    gallery, embeddings = toy_gallery()
    write_bundle(
        path,
        toy_manifest(name="second", class_names=["rouge", "green", "bleu"]),
        model=onnx.parser.parse_model(TOY_MODEL).SerializeToString(),
        prototypes=np.eye(3, dtype=np.float32),
        embeddings=embeddings,
        gallery=replace(gallery, thumbnails=gallery.thumbnails[::-1]),
        weights=b"",
    )


def thumbnails(page: Browser, selector: str) -> list[str] | None:
    found = page.run(COLOURS, selector)
    assert found is None or isinstance(found, list)
    return found


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_toy_bundle(tmp_path / "bundle", name="first")
    (tmp_path / "red.png").write_bytes(plain(RED))
    return tmp_path / "bundle"


@pytest.fixture
def page(bundle: Path, tmp_path: Path) -> Iterator[Browser]:
    with (
        serve(tmp_path / "log", DPNP_BUNDLE=bundle) as server,
        browse(f"{server.url}/ui/") as browser,
    ):
        browser.wait("$('#classes').children.length === 3 && $('#sphere').dataset.points")
        yield browser


@needs_chromium
def test_the_page_follows_a_new_bundle(page: Browser, bundle: Path, tmp_path: Path) -> None:
    page.find("#file").send_keys(str(tmp_path / "red.png"))
    page.wait("$('#label').textContent === 'red'")
    page.run("$('#classes button:nth-child(2)').click()")
    page.wait("$('#prototype').textContent.startsWith('green')")
    page.wait("[...document.querySelectorAll('#prototype img')].every((e) => e.naturalWidth)")
    assert thumbnails(page, "#prototype")[0] == "0,255,0"  # the image with the id 11
    assert page.text("#model").startswith("first")

    write_second_bundle(bundle)  # nobody touches the page
    page.wait("$('#model').textContent.startsWith('second')")
    page.wait("$('#label').textContent === 'rouge' && !$('body').classList.contains('busy')")
    assert page.text("#classes") == "rougegreenbleu"
    assert "Nearest to the prototype of rouge" in page.text("#examples")
    options = page.run("return [...$('#rival').options].map((option) => option.value)")
    assert options == ["green", "bleu"]
    page.wait("$('#prototype').textContent.startsWith('green')")
    page.wait("[...document.querySelectorAll('#prototype img')].every((e) => e.naturalWidth)")
    assert thumbnails(page, "#prototype")[0] == "0,127,0"  # 11 is another image now
    assert page.run("return $('#problem').hidden")


@needs_chromium
def test_many_pictures_are_asked_anew(page: Browser, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "1.png").write_bytes(plain(RED))
    page.press("#to-many")
    page.find("#folder").send_keys(str(tmp_path / "red"))
    page.wait("$('#grid strong')?.textContent === 'red'")
    page.wait("!$('#confusion').hidden")  # the folder is named as a class
    write_second_bundle(bundle)
    page.wait("$('#grid strong')?.textContent === 'rouge'")
    page.wait("$('#confusion').hidden")  # and is no more
    assert page.run("return $('#grid strong').textContent") == "rouge"


@needs_chromium
def test_a_question_finds_the_new_bundle(page: Browser, bundle: Path) -> None:
    page.run("Object.defineProperty(document, 'hidden', { get: () => true })")  # it only is asked
    page.wait("document.hidden")
    write_second_bundle(bundle)
    page.wait(f"({PRESSED}, $('#model').textContent.startsWith('second'))")
    page.wait("$('#classes').textContent.startsWith('rouge')")
    assert page.run("return $('#classes').textContent") == "rougegreenbleu"


@needs_chromium
def test_a_thumbnail_that_failed_comes_later(page: Browser) -> None:
    block(page, "*/gallery/*")
    page.run("$('#classes button:nth-child(1)').click()")
    page.wait("$('#prototype img')")
    page.wait("performance.getEntriesByType('resource').some((e) => e.name.includes('/gallery/'))")
    assert thumbnails(page, "#prototype") is None
    block(page)
    page.wait("[...document.querySelectorAll('#prototype img')].every((e) => e.naturalWidth)")
    assert thumbnails(page, "#prototype")[0] == "255,0,0"
    assert page.run("return $('#problem').hidden")


def block(page: Browser, *patterns: str) -> None:
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(patterns)})
