"""The evaluation's page: figures, the surest mistakes first, and nothing fetched."""

import html
import io
import re

from PIL import Image

from interpret.report import evaluation_page as module
from interpret.report.evaluation_page import evaluation_page
from tests.interpret.trust.simulated_evaluation import evaluation

NAMES = ["cat", "dog", "<i>cow</i>", "owl"]


def thumbnail(row: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (row, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def page_of(labels: list[int], answers: list[int], **options: object) -> str:
    found = evaluation(labels, answers, NAMES, **options)
    return evaluation_page(
        found, "mine on pets", [f"{i}.jpg" for i in range(len(labels))], thumbnail
    )


def test_figures_and_mistakes(monkeypatch):
    page = page_of(
        [0, 0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0, 2], confidence=[0.9, 0.9, 0.5, 0.8, 0.9, 0.7, 0.9]
    )
    assert "<b>57.1%</b><span>accuracy, 7 pictures of test</span>" in page
    assert "<b>cat</b> (50.0% of\n4), <b>dog</b> (50.0% of\n2)" in page
    mistakes = re.findall(r"\((\d\d)%\)<br>\s+<span class=\"grey\">(\d)\.jpg", page)
    assert mistakes == [("80", "3"), ("70", "5"), ("50", "2")]
    rows = re.findall(r"<tr><td>([^<]*)</td><td class=\"number\">(\d)</td>", page)
    assert rows == [("cat", "4"), ("dog", "2"), ("&lt;i&gt;cow&lt;/i&gt;", "1")]  # no owl
    assert "were trained on" not in page
    monkeypatch.setattr(module, "MISTAKES", 1)
    assert "The first 1 of 3." in page_of([0, 0, 0, 0], [1, 1, 1, 0])


def test_pictures_that_were_trained_on_are_told():
    page = page_of([0, 1, 2, 3], [0, 1, 2, 0], trained_on=[True, True, False, False])
    assert "<b>2 of these pictures were trained on</b>" in page
    assert "Of the others 50.0% are right." in page
    assert "Every picture is right." in page_of([0, 1], [0, 1])


def test_nothing_is_fetched_and_names_are_escaped():
    page = page_of([0, 1, 2, 2], [0, 1, 2, 1])
    assert "default-src 'none'" in html.unescape(page[:1000])
    assert "<i>cow</i>" not in page
    references = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert references
    assert all(reference.startswith(("data:", "#")) for reference in references)
