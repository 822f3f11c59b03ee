"""Why an answer is not accepted, in a real browser: the limit that was passed, the sure group."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from interpret.bundle.calibration_record import GroupNode, Groups
from tests.conftest import write_toy_bundle
from tests.interpret.trust.simulated import calibration
from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.page.pictures import OLIVE, all_asked, ask, ready
from tests.serving.page.test_accessibility import violations
from tests.serving.servers import BLACK, RED, plain, serve

pytestmark = needs_chromium
BROWN = (128, 120, 0)  # distances to red and green: √(.498² + .471²) = 0.685 and 0.729


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("reasons")
    found = calibration(
        max_distance=[0.9] * 3,
        min_margin=[0.5] * 3,
        groups=Groups(
            source="given",
            nodes=[GroupNode(name="warm", members=["red", "green"])],
            min_margin=-0.2,
            examples=50,
            measured_coverage=0.97,
            given=1.0,
        ),
    )
    bundle = write_toy_bundle(folder / "toy", calibration=found)
    with (
        serve(folder / "log", DPNP_BUNDLE=bundle.path) as server,
        browse(f"{server.url}/ui/") as browser,
    ):
        ready(browser)
        yield browser


def asked(page: Browser, folder: Path, colour: tuple[int, int, int]) -> None:
    (folder / "picture.png").write_bytes(plain(colour))
    ask(page, folder / "picture.png")


def test_an_ambiguous_answer_tells_its_group_and_its_limit(page: Browser, tmp_path: Path) -> None:
    asked(page, tmp_path, BROWN)
    assert page.texts("#group") == [
        "Not sure between red and green: surely one of warm: red, green "
        "(97.0 % of such groups hold the class)."
    ]
    assert page.text("#limit") == (
        "It is beyond the limit of margin for red: the margin is 0.0, under 0.5."
    )
    assert "surely one of warm" in page.text("#spoken")
    page.prefer("light")
    assert violations(page) == []


def test_why_the_group(page: Browser, tmp_path: Path) -> None:
    asked(page, tmp_path, BROWN)
    page.find("#of-group").click()
    assert (page.text("#for"), page.text("#against")) == ("for the group", "for the other classes")
    # ‖h − blue‖² less the mean of ‖h − red‖² and ‖h − green‖² is (.502 + .471) − 0
    assert page.text("#sum") == (
        "The 4×4 parts add up to 1.0, exactly the mean squared distance to the prototypes of all "
        "other classes less that to the prototypes of warm: red, green."
    )
    assert page.run("return $('#fine').disabled")
    asked(page, tmp_path, RED)  # accepted: no group, and the map of the class again
    assert page.texts("#group") == page.texts("#of-group-field") == []
    assert page.text("#for") == "for red"
    assert not page.run("return $('#fine').disabled")


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        (BLACK, "It is beyond the limit of distance for red: the distance is 1.0, over 0.9."),
        (
            RED,
            "It is beyond no limit for red: the distance is 0.0, of at most 0.9, and the margin "
            "is 1.4, of at least 0.5.",
        ),
        # Two figures that one decimal would make the same.
        (
            (25, 0, 0),
            "It is beyond the limit of distance for red: the distance is 0.902, over 0.900.",
        ),
    ],
)
def test_the_limit_that_was_passed(
    page: Browser, tmp_path: Path, colour: tuple[int, int, int], words: str
) -> None:
    asked(page, tmp_path, colour)
    assert page.text("#limit") == words


def test_nothing_is_finer_than_a_pixel(page: Browser, tmp_path: Path) -> None:
    asked(page, tmp_path, RED)
    page.find("#fine").click()
    page.wait("$('#sum').textContent.includes('There is no finer map')")
    page.find("#fine").click()
    assert "finer" not in page.text("#sum")


def test_the_grid_names_the_group(page: Browser, tmp_path: Path) -> None:
    (tmp_path / "olive.png").write_bytes(plain(OLIVE))
    page.press("#to-many")
    page.find("#files").send_keys(str(tmp_path / "olive.png"))
    all_asked(page, 1)
    assert "one of warm: red, green" in page.text("#grid .words")
    page.press("#to-one")
