"""Galleries without their pictures: what is written where, and that everything still answers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.edit.gallery_update import update_gallery
from interpret.explain.explainer import Explainer
from interpret.figures.explanation_figure import example_sheet
from interpret.report.report import report_page
from interpret.retrieval.gallery_access import remote_address, shown

URL = "https://pictures.example/toy/"


def test_none(toy_bundle: Bundle, tmp_path: Path):
    private = update_gallery(toy_bundle, {}, [], tmp_path / "none", mode="none").bundle
    private = Bundle.load(private.path)
    assert private.read("thumbnails.bin") == b""
    np.testing.assert_array_equal(private.embeddings, toy_bundle.embeddings)
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    explanation = Explainer(private).explain_pixels(red, 2)
    assert [e.thumbnail for e in explanation.neighbours] == [None, None]
    assert explanation.neighbours[0].id == 10
    assert "data:image/png" in report_page(private)
    example_sheet(private, explanation.neighbours, "none")
    with pytest.raises(DpnpError, match="has no pictures to show"):
        update_gallery(private, {}, [], tmp_path / "back", mode="pictures")


def test_remote(toy_bundle: Bundle, tmp_path: Path):
    out = tmp_path / "remote"
    private = update_gallery(toy_bundle, {}, [], out, mode="remote", url=URL).bundle
    assert private.read("thumbnails.bin") == b""
    written = sorted(file.name for file in (tmp_path / "remote-thumbnails").iterdir())
    assert written == [f"{number}.webp" for number in range(10, 16)]
    content = (tmp_path / "remote-thumbnails" / "10.webp").read_bytes()
    assert content == toy_bundle.gallery.thumbnails[0]
    assert remote_address(private.manifest, 10) == f"{URL}10.webp"
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    assert Explainer(private).similar_to_image(red, 1)[0].thumbnail == "/gallery/10"
    # A change of the bundle keeps the mode.
    again = update_gallery(private, {}, [10], tmp_path / "again").bundle
    assert (again.manifest.gallery_mode, again.manifest.gallery_url) == ("remote", URL)


@pytest.mark.parametrize(
    ("mode", "url", "words"),
    [
        ("remote", None, "--gallery-mode remote, which needs it"),
        ("none", URL, "belongs to --gallery-mode remote"),
        ("remote", "file:///etc/", "not a prefix that begins with"),
        ("remote", "https://x/?a=", "not a prefix"),
    ],
)
def test_mode_and_url_go_together(
    toy_bundle: Bundle, tmp_path: Path, mode: str, url: str | None, words: str
):
    with pytest.raises(DpnpError, match=words):
        update_gallery(toy_bundle, {}, [], tmp_path / "out", mode=mode, url=url)


def test_a_missing_picture_is_shown_as_a_grey_square():
    assert shown(b"picture") == b"picture"
    assert Image.open(io.BytesIO(shown(b""))).getpixel((0, 0)) == (225, 225, 225)
