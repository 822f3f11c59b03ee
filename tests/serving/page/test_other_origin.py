"""A page of another origin asks the service, in a real browser, allowed and not."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.servers import RED, ROOT, TOKEN, plain, serve

PAGE = """<!doctype html><title>a page of one's own</title><script type="module">
export async function ask(service, token) {
  const form = new FormData();
  form.append("image", await (await fetch("red.png")).blob(), "red.png");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  try {
    const answer = await fetch(`${service}/predict`, { method: "POST", headers, body: form });
    const body = await answer.json();
    return [answer.status, body.label ?? body.error.code, answer.headers.get("x-request-id")];
  } catch (error) { return ["unreadable"]; }
}
window.ask = ask;
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[str]:
    (folder / "index.html").write_text(PAGE)
    (folder / "red.png").write_bytes(plain(RED))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page(origin: str) -> Iterator[Browser]:
    with browse(f"{origin}/index.html") as browser:
        browser.wait("window.ask")
        yield browser


def ask(page: Browser, service: str, token: str | None = None) -> list[object]:
    script = "const [s, t, done] = arguments; window.ask(s, t).then(done)"
    page.driver.set_script_timeout(60)
    return list(page.driver.execute_async_script(script, service, token))


@needs_chromium
def test_an_allowed_page_reads_answers_and_refusals(
    page: Browser, origin: str, toy_bundle: Bundle, tmp_path: Path
) -> None:
    with serve(
        tmp_path / "log",
        DPNP_BUNDLE=toy_bundle.path,
        DPNP_API_TOKEN=TOKEN,
        DPNP_ALLOW_ORIGINS=origin,
    ) as server:
        status, label, request_id = ask(page, server.url, TOKEN)
        assert (status, label) == (200, "red")
        assert request_id
        assert ask(page, server.url, "x" * 20)[:2] == [401, "unauthorized"]


@needs_chromium
def test_the_page_in_the_docs(
    folder: Path, origin: str, toy_bundle: Bundle, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "serving.md").read_text()
    (page,) = re.findall(r"^```html\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "picture.png").write_bytes(plain(RED))
    with serve(tmp_path / "log", DPNP_BUNDLE=toy_bundle.path, DPNP_ALLOW_ORIGINS=origin) as server:
        (folder / "own.html").write_text(page.replace("http://127.0.0.1:3000", server.url))
        with browse(f"{origin}/own.html") as browser:
            chosen = browser.driver.find_element("css selector", "input")
            chosen.send_keys(str(tmp_path / "picture.png"))
            browser.wait("document.querySelector('p').textContent.includes('red')")
            answer = browser.driver.find_element("css selector", "p").text
    assert answer == "red (accept)"


@needs_chromium
def test_another_page_reads_nothing(page: Browser, toy_bundle: Bundle, tmp_path: Path) -> None:
    with serve(tmp_path / "log", DPNP_BUNDLE=toy_bundle.path) as server:
        assert ask(page, server.url) == ["unreadable"]
        assert '"status": 403' in server.log
        assert '"label": "red"' not in server.log
