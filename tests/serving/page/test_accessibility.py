"""The page against WCAG 2.2 AA by axe-core, in both themes and three widths."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.page.pictures import OLIVE, all_asked, ask, ready, write_folder
from tests.serving.servers import BLACK, Server, plain

pytestmark = needs_chromium
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, TABLET, DESKTOP = 390, 820, 1440
SMALL = """
const pressed = [...document.querySelectorAll('a, button, select, summary, canvas, .drop, .switch,'
  + ' input:not([type=file], [type=checkbox])')].filter((e) => e.checkVisibility());
return pressed.map((e) => [e.id || e.className || e.textContent, e.getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44).map(([name]) => name);
"""
# Words wider than their box, and boxes that leave the window.
CUT_OFF = """
const shown = [...document.querySelectorAll('main *')].filter((e) => e.checkVisibility()
  && !e.closest('.unseen, .scroll, select, .samples'));
return shown.filter((e) => (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
    && getComputedStyle(e).display !== 'inline')
  || e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 120));
"""


@pytest.fixture(scope="module", params=[PHONE, TABLET, DESKTOP])
def page(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "olive.png").write_bytes(plain(OLIVE))
    with browse(f"{server.url}/ui/", request.param) as browser:
        ready(browser)
        ask(browser, folder / "olive.png")
        browser.run("$('#handover').open = true; $('#classes button').click()")
        browser.wait("$('#prototype img')")
        browser.find("#folder").send_keys(str(write_folder(folder / "mine")))
        all_asked(browser, 7)
        yield browser


def violations(page: Browser) -> list[str]:
    source = (files("selenium_axe_python") / "axe-core" / "axe.min.js").read_text()
    page.run(f"if (!window.axe) {{ {source} }}")
    found = page.driver.execute_async_script(
        "axe.run({ runOnly: arguments[0] }).then(arguments[1])", TAGS
    )
    assert {"color-contrast", "label", "target-size"} <= {rule["id"] for rule in found["passes"]}
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["one", "many"])
def test_axe_finds_nothing(page: Browser, view: str, theme: str) -> None:
    page.prefer(theme)
    page.press(f"#to-{view}")
    page.wait(f"!$('#{view}').hidden && !$('body').classList.contains('busy')")
    assert violations(page) == []


@pytest.mark.parametrize("view", ["one", "many"])
def test_nothing_is_cut_off(page: Browser, view: str) -> None:
    page.press(f"#to-{view}")
    page.wait(f"!$('#{view}').hidden")
    width = page.run("return innerWidth")
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run(CUT_OFF) == []


@pytest.mark.parametrize("view", ["one", "many"])
def test_targets_of_a_phone_are_large(page: Browser, view: str) -> None:
    page.press(f"#to-{view}")
    page.wait(f"!$('#{view}').hidden")
    if page.run("return innerWidth") == PHONE:
        assert page.run(SMALL) == []


def test_a_picture_that_is_not_recognised(page: Browser, tmp_path: Path) -> None:
    (tmp_path / "black.png").write_bytes(plain(BLACK))
    page.press("#to-one")
    ask(page, tmp_path / "black.png")
    page.prefer("light")
    assert violations(page) == []
