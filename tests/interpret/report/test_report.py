"""The report of a bundle, opened in a browser that may fetch nothing."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.report.report import report_page, sphere_data
from tests.conftest import write_toy_bundle
from tests.interpret.trust.simulated import calibration

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def page() -> str:
    return report_page(Bundle.load(DIGITS))


def test_the_page_has_the_manifest_s_figures(page: str):
    manifest = Bundle.load(DIGITS).manifest
    assert f"{manifest.metrics.accuracy:.2%}" in page
    assert manifest.fingerprint in page
    assert "66.15° (Tammes)" in page
    assert page.count('<section class="class">') == 10


def test_nothing_is_fetched(page: str):
    # Of what the page itself refers to; plotly.js mentions addresses that it is not asked for.
    own = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    references = re.findall(r'(?:src|href)="([^"]{0,20})', own)
    assert references
    assert all(reference.startswith(("data:", "#")) for reference in references)
    assert "default-src 'none'" in html.unescape(page[:1000])
    assert "<script src" not in page


def test_a_calibrated_bundle_and_names_that_are_markup(tmp_path: Path):
    bundle = write_toy_bundle(
        tmp_path / "toy", class_names=["<i>x</i>", "b", "c"], calibration=calibration()
    )
    page = report_page(bundle)
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "<i>x</i>" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "on held-out halves" in page


def test_three_dimensions_are_drawn_as_they_are(toy_bundle: Bundle):
    data = sphere_data(toy_bundle)
    np.testing.assert_array_equal(data.embeddings, toy_bundle.embeddings)
    np.testing.assert_array_equal(data.centres, toy_bundle.prototypes)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_it_opens_in_a_browser(page: str, tmp_path: Path):
    assert CHROMIUM is not None
    file, shot = tmp_path / "report.html", tmp_path / "shot.png"
    file.write_text(page)
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,1200"),
        *("--virtual-time-budget=10000", f"--screenshot={shot}", "--enable-logging=stderr"),
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, file.as_uri()], capture_output=True, text=True, check=True, timeout=300
    )
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "rror" in line]
    assert not errors
    with Image.open(shot) as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    # The sphere was drawn: the classes' colours are there, in small points.
    assert {(0, 114, 178), (230, 159, 0)} <= {colour for _, colour in colours}
