"""A headless Chromium for the tests of the explorer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed"
)
PATIENCE = 60  # seconds until something must be on the page, on a busy machine


class Browser:
    """One tab at one page; `wait` and the like hide WebDriver's ceremony."""

    def __init__(self, driver: object) -> None:
        self.driver = driver

    def run(self, script: str, *values: object) -> object:
        """The value of a script; `$` finds the first match of a selector."""
        return self.driver.execute_script(
            f"const $ = (s) => document.querySelector(s); {script}", *values
        )

    def wait(self, condition: str) -> None:
        """Until an expression in JavaScript is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, PATIENCE, 0.1).until(
            lambda _: self.run(f"return Boolean({condition})"), condition
        )

    def find(self, selector: str) -> object:
        """The first element of a selector, for clicks and keys."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """What stands in the first element of a selector."""
        return str(self.run("return $(arguments[0]).textContent", selector))

    def texts(self, selector: str) -> list[str]:
        """What stands in each element of a selector that is shown."""
        found = self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((e) => e.checkVisibility()).map((e) => e.textContent)",
            selector,
        )
        assert isinstance(found, list)
        return found

    def press(self, selector: str) -> None:
        """Press the first element of a selector, wherever it is on the page."""
        self.run("$(arguments[0]).click()", selector)

    def fill(self, selector: str, value: str) -> None:
        """Give a field another value, as a user does."""
        self.run(
            "const field = $(arguments[0]); field.value = arguments[1];"
            "for (const kind of ['input', 'change'])"
            "  field.dispatchEvent(new Event(kind, { bubbles: true }));",
            *(selector, value),
        )

    def drop(self, *paths: str) -> None:
        """Drop files and folders in the middle of the window."""
        data = {"items": [], "files": list(paths), "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.driver.execute_cdp_cmd(
                "Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data}
            )

    def prefer(self, theme: str) -> None:
        """Have the system prefer a light or a dark theme."""
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def requested(self) -> set[str]:
        """The addresses of all requests so far, but for data: and blob:."""
        messages = [
            json.loads(row["message"])["message"] for row in self.driver.get_log("performance")
        ]
        urls = {
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        }
        return {url for url in urls if not url.startswith(("data:", "blob:"))}

    def complaints(self) -> list[str]:
        """What the browser has to say against the page: errors, and broken policies."""
        return [row["message"] for row in self.driver.get_log("browser")]


@contextmanager
def browse(url: str, width: int = 1400, height: int = 1100) -> Iterator[Browser]:
    """A new browser at `url`, of this size."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--force-prefers-reduced-motion",
        "--hide-scrollbars",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    try:
        # A phone's width is less than a window may have.
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        driver.get(url)
        yield Browser(driver)
    finally:
        driver.quit()
