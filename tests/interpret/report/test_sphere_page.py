import html
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.figures.palette import class_colours
from interpret.figures.sphere_map import SphereData
from interpret.report.sphere_page import sphere_page
from tests.interpret.figures.spheres import small, spiral, ten

CHROMIUM = Path("/usr/bin/chromium")


class References(HTMLParser):
    """What a page would load or link to: every src and href, and what styles name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data")]


def test_the_page_loads_nothing_and_escapes_names():
    data = small(class_names=["<img src=x>", "a & b", "</script>"])
    page = sphere_page(data, "</title><script src='https://x'>")
    parser = References()
    parser.feed(page)
    assert not parser.found
    assert "default-src 'none'" in html.unescape(page[:1000])
    assert not parser.tags & {"img", "link", "iframe", "object"}
    assert page.count("<title>&lt;/title&gt;&lt;script src=&#39;https://x&#39;&gt;</title>") == 1
    assert "Plotly.newPlot" in page


def test_the_page_stays_small_and_is_the_same_each_time():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50_000, 3))
    labels = rng.integers(0, 102, 50_000)
    data = SphereData(points, labels, [f"flower {i}" for i in range(102)], spiral(102))
    page = sphere_page(data, "flowers")
    assert len(page) < 6_000_000
    assert "6,000 of 50,000 samples" in page
    assert sphere_page(data, "flowers") == page


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_the_page_draws_the_classes_in_a_browser(tmp_path: Path):
    (tmp_path / "sphere.html").write_text(sphere_page(ten(), "Ten classes"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,800",
             "--virtual-time-budget=10000", f"--screenshot={tmp_path / 'page.png'}"]  # fmt: skip
    address = (tmp_path / "sphere.html").as_uri()
    subprocess.run([CHROMIUM, *flags, address], check=True, timeout=120, capture_output=True)
    with Image.open(tmp_path / "page.png") as picture:
        drawn = np.asarray(picture.convert("RGB")).astype(int)
    scene = drawn[100:700, 100:800]  # without the heading and the legend
    for colour in class_colours(10):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(scene - wanted).max(axis=2) < 40).sum() > 20, colour
