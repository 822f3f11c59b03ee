import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from interpret.bundle.manifest import Fit
from interpret.explain.answers import Evidence
from interpret.explain.evidence import colour_scale, overlay, overlay_on
from interpret.explain.explainer import Explainer
from interpret.figures.explanation_figure import example_sheet, explanation_figure
from interpret.figures.layout import save_figure
from tests.conftest import write_toy_bundle
from tests.interpret.bundle.forge import bundle_without_evidence

PIXELS = np.zeros((4, 4, 3), np.uint8)
PIXELS[:, :2], PIXELS[:, 2:] = (255, 0, 0), (0, 0, 204)  # √0.41 from red, √0.61 from blue


@pytest.fixture(scope="module")
def explainer(toy_bundle: Bundle) -> Explainer:
    return Explainer(toy_bundle)


def drawn(explainer: Explainer, k: int = 6) -> Figure:
    return explanation_figure(explainer.bundle, PIXELS, explainer.explain(PIXELS, k))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def images(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(i.get_array()) for axes in figure.axes for i in axes.get_images()]


def colour_bars(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if len(axes.get_yticks())]  # the only axes with ticks


def test_what_the_page_says(explainer: Explainer) -> None:
    said = texts(drawn(explainer))
    for expected in (
        "red",
        "39.8%",  # e^½ / (e^½ + e^0.4 + 1)
        "accepted: distance 0.640 within 0.900, margin 0.141 over 0.100",
        "0.640",
        "38.7°",  # arctan(0.8)
        "0.781",
        "margin 0.781 − 0.640 = 0.141",
        "for red",
        "for blue",
        "in squared distance: the sum is 0.2",  # 0.61 − 0.41
    ):
        assert expected in said
    distances = [t for t in said if t in ("0.000", "0.500")]
    assert len(distances) == 2 + 2  # each prototype's two own training images


@pytest.mark.parametrize(
    ("colour", "sentence"),
    [
        ((130, 125, 0), "ambiguous: the margin 0.028 is under 0.100"),
        ((0, 0, 0), "nearest is red (33.3%): the distance 1.000 is over 0.900"),
    ],
)
def test_the_verdict_gives_its_reason(
    explainer: Explainer, colour: tuple[int, ...], sentence: str
) -> None:
    pixels = np.broadcast_to(np.uint8(colour), (4, 4, 3)).copy()
    figure = explanation_figure(explainer.bundle, pixels, explainer.explain(pixels, 1))
    assert sentence in texts(figure)


def test_the_evidence_panel_is_the_one_overlay(explainer: Explainer) -> None:
    figure = drawn(explainer)
    evidence = explainer.explain(PIXELS, 1).evidence
    assert evidence is not None
    picture, panel = images(figure)[:2]
    np.testing.assert_array_equal(picture, PIXELS)
    expected = overlay(PIXELS, np.array(evidence.values), len(panel))
    np.testing.assert_array_equal(panel, np.asarray(expected))


def test_the_colour_bar_is_in_squared_distance(explainer: Explainer) -> None:
    [bar] = colour_bars(drawn(explainer))
    # 2 (f_red − f_blue) / 16: +0.125 on the red half, −0.1 on the blue one
    np.testing.assert_allclose(bar.get_ylim(), (-0.125, 0.125))
    assert [t.get_text() for t in bar.get_yticklabels()] == ["−0.125", "0", "+0.125"]
    [mesh] = bar.collections[-1:]
    found = mesh.get_cmap()(np.linspace(0, 1, 255))[:, :3]
    np.testing.assert_allclose(found, colour_scale() / 255, atol=0.02)


def test_the_bars_are_the_distances(explainer: Explainer) -> None:
    [bars] = [axes for axes in drawn(explainer).axes if axes.patches]
    lengths = [patch.get_width() for patch in bars.patches]
    np.testing.assert_allclose(lengths, np.sqrt([0.41, 0.61, 1.41]), rtol=1e-6)
    assert bars.get_xlim()[0] == 0  # a bar that does not start at 0 lies
    bracket = bars.get_lines()[0]
    np.testing.assert_allclose(bracket.get_xdata(), np.sqrt([0.41, 0.61]), rtol=1e-6)


def test_thumbnails_in_order(explainer: Explainer) -> None:
    shown = images(drawn(explainer, 2))[2:]
    thumbnails = [picture[0, 0].tolist() for picture in shown if picture.shape == (4, 4, 3)]
    red, dark_red, blue, dark_blue = [255, 0, 0], [127, 0, 0], [0, 0, 255], [0, 0, 127]
    assert thumbnails == [red, dark_red, blue, dark_blue, dark_red, dark_blue]


def test_a_network_without_a_map(tmp_path: Path) -> None:
    explainer = Explainer(bundle_without_evidence(tmp_path / "toy"))
    figure = drawn(explainer)
    notes = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any("no evidence map" in note for note in notes)
    assert colour_bars(figure) == []


@pytest.mark.parametrize("k", [1, 8, 9])
def test_nothing_overlaps_and_nothing_leaves_the_page(explainer: Explainer, k: int) -> None:
    answer = explainer.explain(PIXELS, 6)
    many = {
        name: (getattr(answer, name) * 4)[:k]
        for name in ("positive_examples", "negative_examples", "neighbours")
    }
    figure = explanation_figure(explainer.bundle, PIXELS, answer.model_copy(update=many))
    assert_layout(figure)


def assert_layout(figure: Figure) -> None:
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [t.get_window_extent(renderer).padded(-1) for t in figure.texts if t.get_text()]
    boxes += [axes.get_window_extent(renderer) for axes in figure.axes]
    width, height = figure.get_size_inches() * figure.dpi
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= width + 1
        assert box.y0 >= 0
        assert box.y1 <= height + 1
        for other in boxes[:i]:
            assert not box.overlaps(other)


LONG = "a class name that goes on, and on, and on, until no panel could hold the whole of it " * 3
ODD = [LONG, "$\\frac{1$_^ 猫 قط חתול हिन्दी 😀\x00\n\ttwo  lines", "blue"]


def test_class_names_no_font_or_formula_could_take(tmp_path: Path) -> None:
    explainer = Explainer(write_toy_bundle(tmp_path / "toy", class_names=ODD))
    pixels = np.full((4, 4, 3), (200, 160, 0), np.uint8)
    figure = explanation_figure(explainer.bundle, pixels, explainer.explain(pixels, 6))
    assert_layout(figure)
    for kind in ("png", "svg", "pdf"):
        save_figure(figure, tmp_path / f"figure.{kind}")
    ElementTree.parse(tmp_path / "figure.svg")
    sheet = example_sheet(explainer.bundle, explainer.similar_to_prototype(LONG, 6), LONG)
    assert_layout(sheet)
    save_figure(sheet, tmp_path / "sheet.png")


@pytest.mark.parametrize(
    ("values", "side"),
    [(np.zeros((4, 4)), 4), (np.ones((7, 7)), 224), (-np.ones((1, 1)), 8), (np.eye(60), 224)],
)
def test_other_grids_and_sizes(
    explainer: Explainer, tmp_path: Path, values: np.ndarray, side: int
) -> None:
    rows, cols = values.shape
    evidence = Evidence(rows=rows, cols=cols, values=values.tolist(), overlay_png="")
    answer = explainer.explain(PIXELS, 1).model_copy(update={"evidence": evidence})
    pixels = np.full((side, side, 3), 200, np.uint8)
    figure = explanation_figure(explainer.bundle, pixels, answer)
    save_figure(figure, tmp_path / "figure.png")
    assert f"as the model sees it, {side}×{side} pixels" in texts(figure)
    assert_layout(figure)


def test_an_empty_gallery(explainer: Explainer) -> None:
    none = {"positive_examples": [], "negative_examples": [], "neighbours": []}
    answer = explainer.explain(PIXELS, 1).model_copy(update=none)
    figure = explanation_figure(explainer.bundle, PIXELS, answer)
    assert texts(figure).count("The gallery holds no training images") == 3
    assert example_sheet(explainer.bundle, [], "nothing").texts


def test_a_sheet(explainer: Explainer) -> None:
    sheet = example_sheet(explainer.bundle, explainer.similar_to_prototype("blue", 9), "Blues")
    assert texts(sheet)[0] == "Blues"
    assert len(images(sheet)) == 6
    assert_layout(sheet)


def test_a_broken_thumbnail_is_the_bundle_s_fault(explainer: Explainer) -> None:
    gallery = dataclasses.replace(explainer.bundle.gallery, thumbnails=[b"junk"] * 6)
    bundle = dataclasses.replace(explainer.bundle, gallery=gallery)
    with pytest.raises(BundleError, match=r"thumbnails\.bin: the thumbnail of training image 12"):
        example_sheet(bundle, explainer.similar_to_prototype("blue", 1), "x")


ORIGINAL = Image.fromarray(np.repeat(np.repeat(PIXELS[:2], 5, 0), 5, 1))  # 20×10
SQUARE_LINES = {  # of a 4×4 grid, in pixels of the panel's 560×280: columns, rows
    "crop": ([140, 210, 280, 350, 420], [0, 70, 140, 210, 280]),
    "squash": ([0, 140, 280, 420, 560], [0, 70, 140, 210, 280]),
    "letterbox": ([0, 140, 280, 420, 560], [-140, 0, 140, 280, 420]),
}


@pytest.mark.parametrize("fit", SQUARE_LINES)
def test_the_evidence_lies_over_the_original(fit: Fit, tmp_path: Path) -> None:
    explainer = Explainer(write_toy_bundle(tmp_path / "toy", fit=fit))
    pixels, answer = explainer.preprocessing(ORIGINAL), explainer.explain(ORIGINAL, 1)
    assert answer.evidence is not None
    values = np.array(answer.evidence.values)
    margin = answer.negative.distance**2 - answer.positive.distance**2
    assert values.sum() == pytest.approx(margin, abs=1e-6)
    figure = explanation_figure(explainer.bundle, pixels, answer, original=ORIGINAL)
    seen, panel = images(figure)[:2]
    np.testing.assert_array_equal(seen, pixels)
    shown = explainer.preprocessing.shown(ORIGINAL)
    expected = overlay_on(ORIGINAL, shown, values, 560)
    np.testing.assert_array_equal(panel, np.asarray(expected))
    [axes] = [a for a in figure.axes if a.get_images() and len(a.get_lines()) == 6]
    across, down = SQUARE_LINES[fit]
    rows, cols = (axes.get_lines()[i].get_xydata() + 0.5 for i in (0, 3))
    np.testing.assert_allclose(rows, [[across[0], down[1]], [across[-1], down[1]]])
    np.testing.assert_allclose(cols, [[across[1], down[0]], [across[1], down[-1]]])
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 559.5), (279.5, -0.5))
    pale = "; beside it, what it does not see is pale" if fit == "crop" else ""
    assert f"of 20×10{pale}" in texts(figure)
    assert_layout(figure)


@pytest.mark.parametrize("fit", SQUARE_LINES)
def test_the_sum_tells_what_lies_on_the_border(fit: Fit, tmp_path: Path) -> None:
    explainer = Explainer(write_toy_bundle(tmp_path / "toy", fit=fit))
    values = [[-1.0] * 4, [1] * 4, [1] * 4, [-2] * 4]  # by letterbox the outer rows are border
    evidence = Evidence(rows=4, cols=4, values=values, overlay_png="")
    answer = explainer.explain(ORIGINAL, 1).model_copy(update={"evidence": evidence})
    figure = explanation_figure(explainer.bundle, PIXELS, answer, original=ORIGINAL)
    border = ", on the border −12" if fit == "letterbox" else ""
    assert f"in squared distance: the sum is -4{border}" in texts(figure)
