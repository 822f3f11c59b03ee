"""The page of an audit: what stands on it, and in a real browser what it does."""

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.model.images import thumbnail
from interpret.report.audit_page import (
    MOST,
    Audited,
    page,
    per_class,
    reasons,
    suspects_told,
)
from interpret.trust.audit import Audit, Finding
from interpret.trust.suspects import Evidence
from tests.serving.browser import browse, needs_chromium

LABELS = np.array([0, 0, 1, 2])
NAMES = ["<b>one</b>", "two", "three", "none has it"]
EVIDENCE = Evidence((2, 12), (50.0, 4.0), (0.03, 0.9), (0.6, 0.4))
FOUND = Audit(
    [
        Finding("label", 3, 0.9, suggestion=0, evidence=EVIDENCE),
        Finding("leak", 3, 0.99, other=0, likeness="nearly the same"),
        Finding("outlier", 2, 5.0),
    ],
    np.zeros(4),
    accuracy=0.95,
    expected=0.9,
)


def picture(row: int) -> bytes:
    return thumbnail(Image.new("RGB", (16, 16), (60 * row, 0, 0)))


@pytest.fixture
def whole() -> Audited:
    return Audited(
        NAMES, LABELS, ["train", "train", "train", "test"], ["a", "b", 'c "q", x', "d<i>"]
    )


def test_a_row_for_each_class_that_has_pictures(whole: Audited):
    assert per_class(whole, FOUND) == [  # suspects, leaks, copies, outliers
        ("<b>one</b>", 2, [0, 0, 0, 0]),
        ("two", 1, [0, 0, 0, 1]),
        ("three", 1, [1, 1, 0, 0]),
    ]


def test_how_sure_the_suspects_are_is_told():
    told = suspects_told(FOUND)
    assert told.startswith("1 named, of which 90% are expected to be wrong labels.")
    assert "right on 95.0% of the labels" in told
    weak = Audit([], np.zeros(4), 0.4, "the model is too weak to tell: right on 40.0%")
    assert (
        suspects_told(weak) == "No label is named: the model is too weak to tell: right on 40.0%."
    )
    assert suspects_told(Audit([], np.zeros(4), 0.99)).startswith("No label is named. The model")


def test_the_evidence_says_what_speaks_for_the_label():
    found = reasons(EVIDENCE, "cat", "dog")
    assert [reason.for_label for reason in found] == [False, False, False, True]
    assert found[0].text == "nearest pictures: 12 are dog, 2 cat"
    assert found[1].text == "distance to dog 4.0, to cat 50.0"
    assert found[3].text == "classifier: dog 40%, cat 60%"


def test_the_page_shows_every_finding_and_escapes_names(whole: Audited):
    html = page(whole, FOUND, "An <audit>", picture)
    assert "<h1>An &lt;audit&gt;</h1>" in html
    assert 'rather <span class="for">&lt;b&gt;one&lt;/b&gt;</span>' in html
    assert "<b>one</b>" not in html
    assert "test · d&lt;i&gt;" in html
    assert html.count("<img ") == 4  # of the leak two
    assert html.count("None were found.") == 1  # of duplicates
    assert "nearly the same" in html
    assert "90.0% wrong" in html
    assert "http" not in html.replace("http-equiv", "")


def test_only_the_first_findings_of_a_kind_have_pictures(whole: Audited):
    many = Audit([Finding("outlier", 2, 5.0)] * (MOST + 5), np.zeros(4))
    html = page(whole, many, "audit", picture)
    assert html.count("<img ") == MOST
    assert f"The first {MOST} of {MOST + 5}." in " ".join(html.split())


def saved(folder: Path, name: str) -> str:
    """The text of a file that the browser saves, as soon as it is there."""
    for _ in range(600):
        if (folder / name).exists():
            return (folder / name).read_text()
        time.sleep(0.1)
    raise AssertionError(f"{name} was not saved")


@needs_chromium
def test_decisions_are_taken_filtered_and_saved(whole: Audited, tmp_path: Path):
    earlier = [{"source": "old", "label": "two", "decision": "drop", "new_label": "", "kind": ""}]
    (tmp_path / "audit.html").write_text(page(whole, FOUND, "audit", picture, earlier))
    with browse((tmp_path / "audit.html").as_uri()) as tab:
        tab.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
        )
        assert tab.text("#shown") == "3 of 3 shown"
        assert tab.text("#count") == "1 decided"
        tab.fill("#kind", "outlier")
        assert tab.texts("section h2") == ["Outliers"]
        tab.fill("#kind", "")
        tab.fill("#class", NAMES[0])  # the suggestion of the suspect, and in the leak
        assert tab.text("#shown") == "2 of 3 shown"
        tab.fill("#class", "")

        tab.press('[data-kind="label"] .enlarge')
        assert tab.run("return $('#large').open")
        assert tab.run("return $('#large img').clientWidth") > 400
        tab.press("#close")

        tab.press('.finding[data-kind="label"] [data-choice="relabel"]')
        tab.press('.finding[data-kind="outlier"] [data-choice="drop"]')
        assert tab.text("#count") == "3 decided"
        # The leak shows the relabelled picture too.
        pressed = '.finding[data-kind="leak"] [data-source="d<i>"] [data-choice="relabel"]'
        assert tab.run("return $(arguments[0]).getAttribute('aria-pressed')", pressed) == "true"
        tab.press("#open")
        assert tab.texts("section h2")[0] == "Suspect labels"
        assert tab.text("#shown") == "1 of 3 shown"  # of the leak one picture is undecided
        tab.press("#csv")
        rows = list(csv.DictReader(saved(tmp_path, "decisions.csv").splitlines()))
        assert [(r["source"], r["decision"], r["new_label"]) for r in rows] == [
            ("old", "drop", ""),
            ("d<i>", "relabel", "<b>one</b>"),
            ('c "q", x', "drop", ""),
        ]
        assert (rows[1]["label"], rows[1]["kind"], rows[1]["probability"]) == (
            *("three", "label", "0.9"),
        )

        tab.press('.finding[data-kind="outlier"] [data-choice="drop"]')  # taken back
        tab.fill('.finding[data-kind="label"] select', "two")
        tab.press("#json")
        content = json.loads(saved(tmp_path, "decisions.json"))["decisions"]
        assert [(d["source"], d["new_label"]) for d in content] == [("old", ""), ("d<i>", "two")]
        tab.driver.refresh()
        assert tab.text("#count") == "2 decided"
        assert tab.complaints() == []
