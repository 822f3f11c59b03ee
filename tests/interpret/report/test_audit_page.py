import numpy as np
import pytest
from PIL import Image

from interpret.model.images import thumbnail
from interpret.report.audit_page import MOST, Audited, page, per_class
from interpret.trust.audit import Audit, Finding

LABELS = np.array([0, 0, 1, 2])
NAMES = ["<b>one</b>", "two", "three", "none has it"]
FOUND = Audit(
    [
        Finding("label", 3, 0.9, suggestion=0),
        Finding("leak", 3, 0.99, other=0),
        Finding("outlier", 2, 5.0),
    ],
    np.zeros(4),
)


def picture(row: int) -> bytes:
    return thumbnail(Image.new("RGB", (16, 16), (60 * row, 0, 0)))


@pytest.fixture
def whole() -> Audited:
    return Audited(NAMES, LABELS, ["train", "train", "train", "test"], ["a", "b", "c", "d<i>"])


def test_a_row_for_each_class_that_has_pictures(whole: Audited):
    assert per_class(whole, FOUND) == [  # label errors, leaks, duplicates, outliers
        ("<b>one</b>", 2, [0, 0, 0, 0]),
        ("two", 1, [0, 0, 0, 1]),
        ("three", 1, [1, 1, 0, 0]),
    ]


def test_the_page_shows_every_finding_and_escapes_names(whole: Audited):
    html = page(whole, FOUND, "An <audit>", picture)
    assert "<h1>An &lt;audit&gt;</h1>" in html
    assert 'rather <span class="for">&lt;b&gt;one&lt;/b&gt;</span>' in html
    assert "<b>one</b>" not in html
    assert "test · d&lt;i&gt;" in html
    assert html.count("<img ") == 4  # of the leak two
    assert html.count("None were found.") == 1  # of duplicates
    assert "http" not in html.replace("http-equiv", "")


def test_only_the_first_findings_of_a_kind_have_pictures(whole: Audited):
    many = Audit([Finding("outlier", 2, 5.0)] * (MOST + 5), np.zeros(4))
    html = page(whole, many, "audit", picture)
    assert html.count("<img ") == MOST
    assert f"The first {MOST} of {MOST + 5}." in " ".join(html.split())
