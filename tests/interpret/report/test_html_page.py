import html
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup
from matplotlib.figure import Figure

from interpret.figures import palette
from interpret.figures.content_policy import SELF_CONTAINED
from interpret.report import html_page
from interpret.report.html_page import render, svg, write_page


def page(**changes: object) -> str:
    values = {"title": "a < b", "caption": "c & d", "weights": False, "plot": Markup("<p>x</p>")}
    return render("sphere.html", **(values | changes))


def test_every_value_is_escaped_but_markup() -> None:
    text = page()
    assert "<title>a &lt; b</title>" in text
    assert "c &amp; d" in text
    assert "<p>x</p>" in text
    assert "&lt;p&gt;" in page(plot="<p>x</p>")


def test_the_shell_has_the_policy_and_the_palette() -> None:
    text = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert html.unescape(policy[1]) == SELF_CONTAINED
    assert SELF_CONTAINED.startswith("default-src 'none'; ")
    assert "http" not in SELF_CONTAINED
    assert f"--ink: {palette.INK};" in text
    assert f"--for: {palette.FOR};" in text


def test_every_template_extends_the_shell() -> None:
    for template in (Path(html_page.__file__).parent / "templates").glob("*.html"):
        extends = template.read_text().startswith('{% extends "base.html" %}')
        assert extends == (template.name != "base.html")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'plot' is undefined"):
        render("sphere.html", title="", caption="", weights=False)


def test_a_figure_is_svg_without_a_header() -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "x")
    assert svg(figure).startswith("<svg")
    assert isinstance(svg(figure), Markup)


def test_a_page_is_written_in_utf_8(tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", "ä ≥")
    assert (tmp_path / "a.html").read_bytes() == "ä ≥".encode()
