"""The explorer in a real browser: a picture, its answer, a rival, a prototype."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.browser import Browser, browse, needs_chromium
from tests.serving.servers import ROOT, TOKEN, Server, serve

PAGE = ROOT / "serving" / "page"
DIGITS = ROOT / "models" / "digits-dpnp"
DIGIT = ROOT / "docs" / "digit.png"  # an 8, nearest rival 3


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("explorer") / "log", DPNP_BUNDLE=DIGITS) as running:
        yield running


@pytest.fixture(scope="module")
def page(digits: Server) -> Iterator[Browser]:
    with browse(f"{digits.url}/ui/") as browser:
        browser.wait("$('#classes').children.length === 10 && $('#sphere').dataset.points")
        yield browser


def upload(page: Browser, picture: Path = DIGIT) -> None:
    page.run("$('#label').textContent = ''")
    page.find("#file").send_keys(str(picture))
    page.wait("$('#label').textContent && !$('body').classList.contains('busy')")


@needs_chromium
def test_a_picture_and_its_answer(page: Browser) -> None:
    upload(page)
    assert page.text("#label") == "8"
    assert page.text("#badge") == "ambiguous"
    names = page.run("return [...document.querySelectorAll('.bars .name')].map(e => e.textContent)")
    assert names[:2] == ["8", "3"]
    assert len(names) == 5
    assert page.text("#against") == "for 3"
    page.wait("$('#overlay').naturalWidth === 224 && $('#picture').naturalWidth === 8")
    counts = page.run(
        "return [...document.querySelectorAll('#examples ul')].map(e => e.children.length)"
    )
    assert counts == [10, 10, 10]
    page.wait("[...document.querySelectorAll('#examples img')].every(e => e.naturalWidth > 0)")


@needs_chromium
def test_the_picture_fills_its_frame_as_it_fills_the_model_s_input(page: Browser) -> None:
    upload(page)
    style = "return getComputedStyle($('#picture')).objectFit"
    assert page.run("return $('#picture').dataset.fit") == "crop"
    assert page.run(style) == "cover"
    for fit, expected in (("letterbox", "contain"), ("squash", "fill")):
        assert page.run(f"$('#picture').dataset.fit = '{fit}'; {style}") == expected


@needs_chromium
def test_why_not_another_class(page: Browser) -> None:
    upload(page)
    before = page.run("return $('#overlay').src")
    page.run("$('#rival').value = '5'; $('#rival').dispatchEvent(new Event('change'))")
    page.wait("$('#against').textContent === 'for 5'")
    assert page.run("return $('#overlay').src") != before
    assert page.text("#label") == "8"
    assert "Nearest to the prototype of 5" in page.text("#examples")
    pressed = page.run("return $('.bars [aria-pressed=true] .name').textContent")
    assert pressed == "5"
    page.run("$('.bars li:nth-child(2) button').click()")
    page.wait("$('#against').textContent === 'for 3'")


@needs_chromium
def test_the_sum_on_the_page_is_the_difference_it_claims(page: Browser) -> None:
    upload(page)
    total, rival, own = (
        float(x.replace(",", ""))
        for x in re.findall(r"add up to ([\d,.]+),.*: ([\d,.]+)² − ([\d,.]+)²", page.text("#sum"))[
            0
        ]
    )
    assert total == pytest.approx(rival**2 - own**2, abs=5)  # both distances to one decimal


@needs_chromium
def test_the_evidence_can_be_switched_off(page: Browser) -> None:
    upload(page)
    page.find("#show").click()
    assert not page.find("#overlay").is_displayed()
    page.find("#show").click()
    assert page.find("#overlay").is_displayed()


@needs_chromium
def test_the_finer_map(page: Browser) -> None:
    upload(page)
    plain = page.run("return $('#overlay').src")
    assert page.text("#sum").startswith("The 4×4 parts add up to ")
    assert page.run("return getComputedStyle($('#overlay')).opacity") == "0.6"
    page.find("#fine").click()
    page.wait("$('#sum').textContent.startsWith('The 16×16 parts')")
    assert page.run("return $('#overlay').src") != plain
    said = page.text("#sum")
    assert "Each 4×4 of them add up to exactly one of the 4×4 parts of the plain map" in said
    test_the_sum_on_the_page_is_the_difference_it_claims(page)
    assert "-F 'image=@\"digit.png\"' --form-string 'fine=true'" in page.text("#curl")
    page.find("#fine").click()  # the plain map is in the same answer
    assert page.run("return $('#overlay').src") == plain
    page.find("#fine").click()
    assert page.text("#sum") == said
    page.find("#fine").click()


@needs_chromium
def test_a_prototype_and_its_images(page: Browser) -> None:
    page.run("$('#classes button:nth-child(4)').click()")
    page.wait("$('#prototype').textContent.startsWith('3:')")
    assert page.run("return $('#prototype ul').children.length") == 16
    # On the sphere too. The chosen prototype is turned to the front.
    page.run("$('#prototype').replaceChildren()")
    press_on_the_sphere(page, "the prototype of ")
    page.wait("$('#prototype').textContent.includes('its training images')")


@needs_chromium
def test_a_dot_on_the_sphere_opens_its_picture(page: Browser) -> None:
    page.run("$('#asked-name').textContent = ''")
    told = press_on_the_sphere(page, "training image ")
    label, name = told.split(" · ")
    page.wait("$('#asked-name').textContent && !$('body').classList.contains('busy')")
    assert page.text("#asked-name") == name
    assert page.run("return $('#tooltip').hidden")
    assert label in page.run("return $('#sentence').textContent")


def press_on_the_sphere(page: Browser, wanted: str) -> str:
    """Move over the sphere until the tooltip says `wanted`, press there; the tooltip's words."""
    return str(
        page.run(
            """
            const canvas = $('#sphere'), box = canvas.getBoundingClientRect();
            const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(
              kind, {clientX: box.left + x, clientY: box.top + y, pointerId: 1}));
            canvas.setPointerCapture = () => {};
            for (let x = 5; x < box.width; x += 5)
              for (let y = 5; y < box.height; y += 5) {
                send('pointermove', x, y);
                const told = $('#tooltip').hidden ? '' : $('#tooltip').textContent;
                if (!told.includes(arguments[0])) continue;
                send('pointerdown', x, y);
                send('pointerup', x, y);
                return told;
              }
            """,
            wanted,
        )
    )


@needs_chromium
def test_a_training_image_is_asked_about(page: Browser) -> None:
    page.run("$('#label').textContent = ''; $('#samples button').click()")
    page.wait("$('#label').textContent")
    assert page.run("return $('.bars .value').textContent") != ""


@needs_chromium
def test_keys_turn_the_sphere(page: Browser) -> None:
    canvas = page.find("#sphere")
    views = []
    for key in ("", "\ue014", "\ue013", "+"):  # right, up
        canvas.send_keys(key)
        views.append(page.run("return $('#sphere').toDataURL()"))
    assert len(set(views)) == 4
    assert page.run("return document.activeElement.id") == "sphere"


@needs_chromium
def test_a_bad_file_is_told(page: Browser) -> None:
    page.find("#file").send_keys(str(PAGE / "style.css"))
    page.wait("!$('#problem').hidden")
    assert "not a picture" in page.text("#problem")
    page.complaints()  # the refused request is told in the console as well
    upload(page)
    assert page.run("return $('#problem').hidden")


@needs_chromium
def test_nothing_comes_from_another_host(digits: Server) -> None:
    with browse(f"{digits.url}/ui/") as page:
        page.wait("$('#classes').children.length === 10")
        upload(page)
        page.wait("[...document.images].every(e => e.hidden || e.complete)")
        requested = page.requested()
        assert len(requested) > 10
        assert all(url.startswith(f"{digits.url}/") for url in requested)
        assert page.complaints() == []


@needs_chromium
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_it_fits_its_width(digits: Server, width: int) -> None:
    with browse(f"{digits.url}/ui/", width=width) as page:
        page.wait("$('#classes').children.length === 10")
        upload(page)
        assert page.run("return document.documentElement.scrollWidth") <= width


@needs_chromium
def test_the_token_is_asked_for(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "log", DPNP_API_TOKEN=TOKEN, DPNP_BUNDLE=DIGITS) as server,
        browse(f"{server.url}/ui/") as page,
    ):
        page.wait("$('#token').open")
        page.find("#secret").send_keys("not the token\n")
        page.wait("$('#token').open && !$('#secret').value")
        page.find("#secret").send_keys(TOKEN + "\n")
        page.wait("$('#classes').children.length === 10")
        upload(page)
        assert page.text("#label") == "8"
        page.wait("[...document.querySelectorAll('#examples img')].every(e => e.naturalWidth > 0)")
