"""Many pictures at once in a real browser: the grid, its filters, the confusion matrix."""

import csv
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.page.pictures import all_asked, answered, photograph, ready, write_folder
from tests.serving.servers import RED, Server, plain, serve, upload

pytestmark = needs_chromium
CELLS = "return [...document.querySelectorAll('#grid li .file')].map((e) => e.textContent)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pictures") / "mine")


@pytest.fixture(scope="module")
def shared_page(server: Server, folder: Path) -> Iterator[Browser]:
    with browse(f"{server.url}/ui/#view=many") as browser:
        ready(browser)
        browser.find("#folder").send_keys(str(folder))
        all_asked(browser, 7)
        yield browser


@pytest.fixture
def page(shared_page: Browser) -> Browser:
    """The page with all pictures shown."""
    shared_page.run("location.hash = '#view=many'")
    shared_page.wait("$('#shown').textContent === '7 pictures' && !$('#many').hidden")
    return shared_page


def cell(page: Browser, name: str) -> str:
    text = page.run(
        "return [...document.querySelectorAll('#grid .cell')]"
        ".find((e) => e.title.endsWith(arguments[0])).innerText",
        name,
    )
    return str(text)


def test_each_picture_has_its_answer_or_its_error(page: Browser) -> None:
    assert page.run(CELLS) == [
        *("black.png", "broken.png", "olive.png", "green.png"),
        *("1.png", "2.png", "10.png"),
    ]
    assert cell(page, "red/1.png").splitlines() == ["red", "accepted", "margin 1.4", "1.png"]
    assert cell(page, "olive.png").splitlines()[:2] == ["red", "ambiguous"]
    assert "not a picture" in cell(page, "broken.png")
    assert "folder: red" in cell(page, "red/10.png")
    assert page.text("#tally") == "7 of 7 pictures asked, 1 failed"
    assert page.text("#left-out") == "1 file left out, no pictures by their names: mine/notes.txt"


def test_what_is_not_recognised_has_no_class_as_its_headline(page: Browser) -> None:
    headline, nearest = cell(page, "black.png").splitlines()[:2]
    assert headline == "not recognised"
    assert nearest.startswith("nearest: ")


def test_filters_and_order(page: Browser) -> None:
    page.fill("#f-verdict", "ambiguous")
    assert page.run(CELLS) == ["olive.png"]
    assert page.text("#shown") == "1 of 7 pictures"
    page.fill("#f-verdict", "")
    page.fill("#f-label", "green")
    page.fill("#f-sort", "margin")
    assert page.run(CELLS) == ["green.png", "10.png"]
    page.press("#reset")
    page.fill("#f-from", "0.5")
    assert page.run(CELLS) == ["2.png", "green.png", "1.png", "10.png"]
    page.fill("#f-to", "1")
    assert page.run(CELLS) == ["2.png"]
    page.press("#reset")
    page.press("#f-wrong")
    # Olive lies as near to red as to green: red is the first of the two.
    assert page.run(CELLS) == ["olive.png", "10.png"]
    assert "wrong=1" in page.run("return location.hash")
    page.fill("#f-from", "9")
    assert page.texts("#nothing") == ["No picture fits these filters."]


def test_order_by_distance_puts_pictures_without_an_answer_last(page: Browser) -> None:
    page.fill("#f-sort", "-distance")
    names = page.run(CELLS)
    assert names[0] == "black.png"
    assert names[-1] == "broken.png"


def test_a_count_of_the_matrix_opens_its_pictures(page: Browser) -> None:
    rows = page.run(
        "return [...$('#matrix').rows].map((r) => [...r.cells].map((c) => c.innerText))"
    )
    assert rows == [
        ["folder ↓ answer →", "red", "green", "not recognised"],
        ["red", "2", "1", "·"],
        ["green", "1", "·", "1"],
    ]
    assert page.text("#confusion-words").startswith(
        "Of 5 pictures in folders named as classes, 2 are answered with their folder's class "
        "(50.0 % of those recognised), 2 with another, and 1 are not recognised."
    )
    page.press("#matrix [aria-label='folder red, answer green: 1 picture']")
    assert page.run(CELLS) == ["10.png"]
    page.wait("$('#matrix [aria-pressed=true]')")
    page.press("#matrix [aria-label='folder green, answer not recognised: 1 picture']")
    assert page.run(CELLS) == ["black.png"]
    assert page.texts("#mistakes button") == ["green → red · 1", "red → green · 1"]
    page.press("#mistakes button")
    assert page.run(CELLS) == ["olive.png"]


def test_a_picture_opens_with_its_neighbours_in_the_grid(page: Browser) -> None:
    page.fill("#f-verdict", "recognised")
    page.fill("#f-sort", "-margin")
    names = page.run(CELLS)
    page.run("$('#label').textContent = ''; $('#grid li:nth-child(2) .cell').click()")
    answered(page)
    assert page.text("#place-words") == "2 of 5"
    assert page.text("#asked-name") == names[1]
    page.run("$('#label').textContent = ''; $('#next').click()")
    answered(page)
    assert page.text("#asked-name") == names[2]
    page.press("#back")
    page.wait("!$('#many').hidden")
    assert page.run("return document.activeElement.title").endswith(names[2])
    assert page.run(CELLS) == names  # filters and order are still there


def test_the_way_back_of_the_browser_leads_to_the_grid(page: Browser) -> None:
    page.run("$('#label').textContent = ''; $('#grid li:nth-child(1) .cell').click()")
    answered(page)
    page.driver.back()
    page.wait("!$('#many').hidden")
    assert page.run("return $('#grid').children.length") == 7


def test_a_drawing_keeps_the_focus(page: Browser) -> None:
    page.run("$('#grid li:nth-child(5) .cell').focus(); window.focused = document.activeElement")
    page.fill("#f-sort", "-margin")
    assert page.run("return document.activeElement === window.focused")


def test_files_leave_the_page(page: Browser) -> None:
    page.run(
        """
        window.saved = [];
        URL.createObjectURL = ((old) => (blob) => { saved.push(blob); return old(blob); })(
          URL.createObjectURL.bind(URL));
        HTMLAnchorElement.prototype.click = () => {};
        $('#save-all-json').click(); $('#save-all-csv').click();
        Promise.all(saved.map((blob) => blob.text())).then((texts) => (window.texts = texts));
        """
    )
    page.wait("window.texts")
    as_json, as_csv = page.run("return window.texts")
    rows = json.loads(as_json)
    assert [row["file"] for row in rows][:2] == ["mine/Green/black.png", "mine/Green/broken.png"]
    assert rows[0]["folder_label"] == "green"
    assert rows[0]["answer"]["verdict"] == "none_of_these"
    assert "not a picture" in rows[1]["error"]
    table = list(csv.DictReader(as_csv.splitlines()))
    assert [row["verdict"] for row in table][:3] == ["none_of_these", "", "ambiguous"]
    assert float(table[4]["margin"]) == pytest.approx(2**0.5)


def test_folders_are_dropped_and_a_link_restores_the_filters(server: Server, folder: Path) -> None:
    with browse(f"{server.url}/ui/#view=many&verdict=accept&sort=-margin&label=red") as page:
        ready(page)
        page.drop(str(folder / "red"), str(folder / "Green"))
        all_asked(page, 6)
        assert page.run(CELLS) == ["1.png", "2.png"]
        assert page.run("return $('#f-sort').value") == "-margin"
        page.press("#clear")
        assert page.run("return $('#results').hidden")


def test_a_folder_dropped_on_one_picture_opens_the_other_view(server: Server, folder: Path) -> None:
    with browse(f"{server.url}/ui/") as page:
        ready(page)
        page.drop(str(folder))
        all_asked(page, 7)
        assert not page.run("return $('#many').hidden")


def test_large_photographs_are_made_smaller(server: Server, tmp_path: Path) -> None:
    picture = photograph(tmp_path / "large.jpg", 3000, 2000)
    assert picture.stat().st_size > 200_000  # the service's limit
    with browse(f"{server.url}/ui/#view=many") as page:
        ready(page)
        page.find("#files").send_keys(str(picture))
        all_asked(page, 1)
        assert "sent as 1024 × 683" in cell(page, "large.jpg")
        page.press("#clear")
        page.press("#shrinks")
        page.find("#files").send_keys(str(picture))
        all_asked(page, 1)
        assert "over the limit of 200000 bytes" in cell(page, "large.jpg")
        assert page.texts("#go-on") == ["ask about the failed ones again"]
        page.press("#shrinks")
        page.press("#go-on")
        page.wait("$('#tally').textContent === '1 of 1 picture asked' && $('#go-on').hidden")


def test_a_busy_service_is_asked_again(tmp_path: Path, toy_bundle: Bundle) -> None:
    (tmp_path / "red.png").write_bytes(plain(RED))
    settings = {"DPNP_BUNDLE": toy_bundle.path, "DPNP_MAX_CONCURRENCY": 1}
    with serve(tmp_path / "log", **settings) as server, browse(f"{server.url}/ui/") as page:
        ready(page)
        page.press("#to-many")
        with the_only_place(server):
            page.find("#files").send_keys(str(tmp_path / "red.png"))
            page.wait("$('#tally').textContent.startsWith('0 of 1 ')")
            page.wait(
                "performance.getEntriesByType('resource').some((e) => e.responseStatus === 429)"
            )
        all_asked(page, 1)
        assert page.text("#tally") == "1 of 1 picture asked"  # it has not failed
        waits = page.run(
            "const asked = performance.getEntriesByType('resource')"
            ".filter((e) => e.name.endsWith('/predict')).map((e) => e.startTime);"
            "return asked.slice(1).map((time, i) => time - asked[i])"
        )
        assert min(waits) >= 1000  # the second that Retry-After says


@contextmanager
def the_only_place(server: Server) -> Iterator[None]:
    """Hold the service's place for a request by a body that does not end."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode())
        while httpx.post(f"{server.url}/predict", files=upload(plain(RED))).status_code != 429:
            pass
        yield


def test_asking_is_stopped_and_goes_on(server: Server, tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.png").write_bytes(plain(RED))
    with browse(f"{server.url}/ui/#view=many") as page:
        ready(page)
        page.run(
            """
            const stop = new MutationObserver(() => { stop.disconnect(); $('#stop').click(); });
            stop.observe($('#stop'), { attributes: true, attributeFilter: ['hidden'] });
            """
        )
        page.find("#files").send_keys("\n".join(str(tmp_path / f"{n}.png") for n in range(30)))
        page.wait("$('#tally').textContent.endsWith('stopped')")
        assert page.texts("#go-on") == ["go on"]
        page.press("#go-on")
        all_asked(page, 30)
