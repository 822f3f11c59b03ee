"""Answers as a notebook shows them."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.explain.evidence import overlay_on
from interpret.explain.explainer import Explainer
from interpret.model.fitting import Rectangle
from tests.conftest import write_toy_bundle
from tests.interpret.bundle.forge import bundle_without_evidence

ROOT = Path(__file__).parents[3]
RED = np.full((6, 4, 3), (255, 0, 0), np.uint8)


class Page(HTMLParser):
    """The pictures of a fragment by their alternative text, its other tags and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if tag == "img":
            self.pictures.append((values["alt"] or "", values["src"] or ""))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def pixels(address: str) -> np.ndarray:
    content = base64.b64decode(address.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.fixture(scope="module")
def explainer(toy_bundle: Bundle) -> Explainer:
    return Explainer(toy_bundle)


def test_an_explanation_shows_picture_evidence_prototypes_and_training_images(
    explainer: Explainer,
) -> None:
    answer = explainer.explain(RED, k=2)
    page = Page(answer._repr_html_() or "")
    names = [name for name, _ in page.pictures]
    assert names == ["the picture", "the evidence", *["red"] * 4, "green", "green"]
    shown = dict(page.pictures)
    np.testing.assert_array_equal(pixels(shown["the picture"]), RED[:4])
    assert answer.evidence is not None
    whole = Image.fromarray(RED)  # 4×6: its first and its last row are not seen
    values = np.array(answer.evidence.values)
    expected = overlay_on(whole, Rectangle(0, 1, 4, 5), values, 352)
    np.testing.assert_array_equal(pixels(shown["the evidence"]), np.asarray(expected))
    np.testing.assert_array_equal(pixels(page.pictures[2][1])[0, 0], (255, 0, 0))
    text = " ".join(page.text)
    for expected in ("57.6% · accept", "green 1.41 90.0°", "margin 1.41", "toy", "0.5"):
        assert expected in text


def test_a_classification_shows_picture_and_prototypes(explainer: Explainer) -> None:
    page = Page(explainer.predict(RED)._repr_html_() or "")
    assert [name for name, _ in page.pictures] == ["the picture"]
    assert {"red", "green", "blue"} <= set(page.text)


def test_all_names_are_escaped_and_nothing_is_fetched(tmp_path: Path) -> None:
    names = ["<script>x</script>", "a'b\"c", "&amp;"]
    bundle = write_toy_bundle(tmp_path / "toy", class_names=names, name="<i>toy</i>")
    text = Explainer(bundle).explain(RED, k=2)._repr_html_() or ""
    page = Page(text)
    assert page.tags == {"div", "b", "br", "span", "img", "table", "tr", "td"}
    assert set(names) <= set(page.text) | {name for name, _ in page.pictures}
    assert all(address.startswith("data:image/") for _, address in page.pictures)
    assert not re.search("https?:|//|url", re.sub("base64,[^']*", "", text))


def test_a_network_without_evidence_and_a_picture_that_is_gone(tmp_path: Path) -> None:
    explainer = Explainer(bundle_without_evidence(tmp_path / "toy"))
    file = tmp_path / "red.png"
    Image.fromarray(RED).save(file)
    answer = explainer.explain(file, k=1)
    names = [name for name, _ in Page(answer._repr_html_() or "").pictures]
    assert names == ["the picture", "red", "red", "green"]
    file.unlink()
    names = [name for name, _ in Page(answer._repr_html_() or "").pictures]
    assert names == ["red", "red", "green"]


def test_the_evidence_of_a_picture_that_is_gone_lies_over_what_was_seen(
    explainer: Explainer, tmp_path: Path
) -> None:
    Image.fromarray(RED).save(tmp_path / "red.png")
    answer = explainer.explain(tmp_path / "red.png", k=1)
    (tmp_path / "red.png").unlink()
    name, address = Page(answer._repr_html_() or "").pictures[0]
    assert answer.evidence is not None
    assert (name, address) == (
        "the evidence",
        f"data:image/png;base64,{answer.evidence.overlay_png}",
    )


def test_a_notebook_shows_an_answer(
    toy_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(RED).save(tmp_path / "photo.png")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "from interpret import Explainer\n"
            f"explainer = Explainer.load({str(toy_bundle.path)!r})",
            "explainer.predict(['photo.png', 'photo.png'])",
            "explainer.explain('photo.png', k=1)",
        )
    ]
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    _, listed, shown = ([output.get("data") for output in c.outputs] for c in notebook.cells)
    line = "<'red' 57.6% accept: nearest 'red' at 0, then 'green' at 1.41, margin 1.41>"
    assert " ".join(listed[0]["text/plain"].split()) == f"[{line}, {line}]"
    assert shown[0]["text/plain"] == line
    pictures = [name for name, _ in Page(shown[0]["text/html"]).pictures]
    assert pictures == ["the picture", "the evidence", "red", "red", "green"]
