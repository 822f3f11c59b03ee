"""One picture in a real browser: what is told, handed over, kept and corrected."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from interpret.edit.corrections import CorrectionsFile
from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.page.pictures import OLIVE, answered, ask, photograph, ready
from tests.serving.servers import BLACK, RED, TOKEN, Server, plain, serve

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Browser]:
    with browse(f"{server.url}/ui/") as browser:
        ready(browser)
        yield browser


def write(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def run_in_shell(command: str, folder: Path, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=True
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def test_not_recognised_is_no_class(page: Browser, tmp_path: Path) -> None:
    ask(page, write(tmp_path, "black.png", plain(BLACK)))
    assert page.text("#label") == "not recognised"
    assert page.texts("#badge") == []
    assert "too far from the nearest prototype" in page.text("#sentence")
    ask(page, write(tmp_path, "olive.png", plain(OLIVE)))
    assert page.text("#label") == "red"
    assert page.texts("#badge") == ["ambiguous"]


@pytest.mark.parametrize("name", ["plain.png", 'it\'s; a "red", one\\.png', "-F.png", "été.png"])
def test_the_command_gives_the_same_answer(page: Browser, tmp_path: Path, name: str) -> None:
    ask(page, write(tmp_path, name, plain(RED)))
    page.press("#bars li:nth-child(3) button")
    page.wait("$('#curl').textContent.includes('rival') && !$('body').classList.contains('busy')")
    answer = run_in_shell(page.text("#curl"), tmp_path)
    assert answer["label"] == "red"
    assert answer["negative"]["label"] == page.run("return $('#rival').value")


def test_the_command_for_a_training_image_needs_no_file(page: Browser, tmp_path: Path) -> None:
    page.run("location.hash = '#gallery=11'")
    page.wait("$('#asked-name').textContent === 'training image 11'")
    answered(page)
    assert run_in_shell(page.text("#curl"), tmp_path)["label"] == "green"


def test_a_link_restores_picture_rival_and_class(server: Server) -> None:
    with browse(f"{server.url}/ui/#gallery=10&rival=blue&class=green") as page:
        ready(page)
        answered(page)
        page.wait("$('#prototype img')")
        assert page.text("#label") == "red"
        assert page.text("#against") == "for blue"
        assert page.text("#prototype").startswith("green: its training images")
        assert page.texts("#link-words") == []
        page.run("location.hash = '#gallery=12'")
        page.wait("$('#label').textContent === 'blue'")
        page.driver.back()
        page.wait("$('#label').textContent === 'red'")
        page.run("location.hash = '#gallery=999'")
        page.wait("!$('#problem').hidden")
        assert "no training image 999" in page.text("#problem").replace("'", "")


def test_the_answer_is_copied_as_json(page: Browser, tmp_path: Path) -> None:
    ask(page, write(tmp_path, "red.png", plain(RED)))
    page.run(
        "window.copied = null;"
        "navigator.clipboard.writeText = async (text) => { window.copied = text; };"
        "$('#copy-json').click()"
    )
    page.wait("window.copied")
    answer = json.loads(page.run("return window.copied"))
    assert answer["label"] == "red"
    assert len(answer["evidence"]["values"]) == 4
    assert page.text("#copy-json") == "copied"


def test_a_question_keeps_focus_and_scroll(page: Browser, tmp_path: Path) -> None:
    ask(page, write(tmp_path, "red.png", plain(RED)))
    page.run("$('#bars li:nth-child(3) button').focus(); scrollTo(0, 150)")
    name = page.run("return document.activeElement.querySelector('.name').textContent")
    before = page.run("return scrollY")
    page.press("#bars li:nth-child(3) button")
    page.wait(f"$('#against').textContent === 'for {name}'")
    assert page.run("return document.activeElement.querySelector('.name').textContent") == name
    assert page.run("return scrollY") == before


def test_the_evidence_fades(page: Browser, tmp_path: Path) -> None:
    ask(page, write(tmp_path, "red.png", plain(RED)))
    page.fill("#opacity", "40")
    assert page.run("return getComputedStyle($('#overlay')).opacity") == "0.4"
    page.fill("#opacity", "100")


def test_the_part_at_the_pointer_is_told(page: Browser, tmp_path: Path) -> None:
    ask(page, write(tmp_path, "red.png", plain(RED)))
    page.run(
        "const box = $('#frame').getBoundingClientRect();"
        "$('#frame').dispatchEvent(new PointerEvent('pointermove', {bubbles: true,"
        " clientX: box.left + 0.3 * box.width, clientY: box.top + 0.9 * box.height}))"
    )
    # The margin is 2 in squared distance; each of the 16 parts of a plain picture has as much.
    assert page.texts("#tooltip") == ["0.1 for red (row 4, column 2)"]
    page.find("body").send_keys("\ue00c")  # escape
    assert page.texts("#tooltip") == []


def test_a_class_is_searched_for(page: Browser) -> None:
    page.fill("#search", "RE")
    assert page.texts("#classes button") == ["red", "green"]
    assert page.text("#found") == "2 of 3 classes"
    page.fill("#search", "gre")
    page.find("#search").send_keys("\n")
    page.wait("$('#prototype').textContent.startsWith('green')")
    assert "class=green" in page.run("return location.hash")
    page.fill("#search", "")


def test_a_photograph_is_shown_at_once_and_sent_smaller(server: Server, tmp_path: Path) -> None:
    picture = photograph(tmp_path / "large.jpg", 3000, 2000)
    with browse(f"{server.url}/ui/") as page:
        ready(page)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
        page.driver.execute_cdp_cmd("Network.enable", {})
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", slow | {"uploadThroughput": 60_000}
        )
        page.run(
            """
            window.told = [];
            new MutationObserver(() => told.push([$('#progress').value,
              $('#picture').naturalWidth, document.body.className])).observe(
                $('#progress'), {attributes: true});
            """
        )
        ask(page, picture)
        told = page.run("return window.told")
        assert any(0 < share < 1 and width == 3000 for share, width, _ in told)
        assert page.text("#progress-words") == (
            "Sent as 1024 × 683 pixels instead of 3000 × 2000: the model sees 4 × 4."
        )
        assert "It sends the original." in page.text("#command-words")
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", slow | {"uploadThroughput": -1}
        )
        page.press("#original")  # over the service's limit
        page.wait("!$('#problem').hidden")
        assert "over the limit of 200000 bytes" in page.text("#problem")
        assert page.text("#progress-words").startswith("Sent as")  # the answer is still that one


def test_corrections_are_sent_where_they_are_taken(
    toy_bundle: Bundle, tmp_path: Path, page: Browser
) -> None:
    picture = write(tmp_path, "olive.png", plain(OLIVE))
    ask(page, picture)
    assert page.texts("#correction") == []  # this service collects none
    kept = tmp_path / "feedback.db"
    settings = {
        "DPNP_BUNDLE": toy_bundle.path,
        "DPNP_FEEDBACK": kept,
        "DPNP_API_TOKEN": TOKEN,
    }
    with serve(tmp_path / "log", **settings) as server, browse(f"{server.url}/ui/") as browser:
        browser.wait("$('#token').open")
        browser.find("#secret").send_keys(TOKEN + "\n")
        ready(browser)
        ask(browser, picture)
        browser.wait("!$('#correction').hidden")
        assert browser.run("return $('#correct').disabled")
        browser.fill("#really", "green")
        browser.press("#correct")
        browser.wait("$('#corrected').textContent")
        assert browser.text("#corrected") == "Thank you: noted as green."
        command = browser.text("#curl")
        assert TOKEN not in command
        answer = run_in_shell(command, tmp_path, DPNP_API_TOKEN=TOKEN)
        assert answer["label"] == "red"
    with CorrectionsFile(kept) as file:
        (correction,) = file.latest()
    assert (correction.label, correction.answer) == ("green", "red")
