"""The explorer's colours: from the one palette, and with enough contrast on both grounds."""

import re

import httpx
import pytest

from interpret.figures import palette
from tests.serving.servers import ROOT

PAGE = ROOT / "serving" / "page"
FILES = [file for file in PAGE.rglob("*") if file.suffix in {".css", ".js", ".html"}]
THEMES = {"light": palette.EXPLORER_LIGHT, "dark": palette.EXPLORER_DARK}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read(theme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for what is drawn."""
    colours = THEMES[theme]
    for ground in ("paper", "wash"):
        for text in ("ink", "quiet", "accent", "good", "warn", "bad"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for drawn in ("for", "against", "grey"):
            assert contrast(colours[drawn], colours[ground]) >= 3, (drawn, ground)
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


def test_dark_classes_are_seen_on_a_dark_ground() -> None:
    (share,) = re.findall(
        r"dark\) \{\s*:root \{ --tint: (\d+)%; \}", (PAGE / "style.css").read_text()
    )
    for colour in palette.class_colours(10):
        tinted = palette.blend(colour, "#ffffff", int(share) / 100)
        assert contrast(tinted, palette.EXPLORER_DARK["paper"]) >= 3, colour


def test_no_file_of_the_page_has_colours_of_its_own() -> None:
    assert len(FILES) >= 7
    for file in FILES:
        assert not re.findall(
            r"#(?:[0-9a-fA-F]{3}){1,2}\b|\bhsla?\(|\brgba?\((?!0 0 0)", file.read_text()
        ), file


def test_every_property_that_is_used_is_defined(client: httpx.Client) -> None:
    sheet = client.get("/ui/palette.css")
    assert sheet.headers["content-type"].startswith("text/css")
    own = (PAGE / "style.css").read_text()
    light, dark = re.findall(r":root \{ (.*?) \}", sheet.text)
    names = set(re.findall(r"--([\w-]+):", light))
    assert names == set(re.findall(r"--([\w-]+):", dark)) == set(palette.EXPLORER_LIGHT)
    text = "".join(file.read_text() for file in FILES)
    used = set(re.findall(r"var\(--([\w-]+)|getPropertyValue\(\"--([\w-]+)", text))
    assert {a or b for a, b in used} == names | {"class", "tint", "target", "mark", "share"}
    assert "--tint:" in own
