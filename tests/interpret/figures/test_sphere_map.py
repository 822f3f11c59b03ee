import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image

from interpret.figures.sphere_3d import sphere_html, sphere_view
from interpret.figures.sphere_map import (
    CENTRE,
    WEIGHT,
    SphereData,
    class_colours,
    density,
    sphere_maps,
    spherical,
)

CHROMIUM = Path("/usr/bin/chromium")
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
AXES = np.array([[2.0, 0, 0], [0, 2, 0], [0, 0, 2]])


def small(**changes: object) -> SphereData:
    """Three classes on the three axes, with two samples each and one of zero length."""
    fields = {
        "embeddings": np.concatenate([AXES, 3 * AXES, np.zeros((1, 3))]),
        "labels": np.array([0, 1, 2, 0, 1, 2, 0]),
        "class_names": ["one", "two", "three"],
        "centres": AXES,
    }
    return SphereData(**(fields | changes))


def spiral(count: int) -> np.ndarray:
    """Unit vectors (count, 3), evenly over the sphere: a golden angle apart, downwards."""
    z = 1 - (2 * np.arange(count) + 1) / count
    around = np.arange(count) * np.pi * (3 - np.sqrt(5))
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(around), across * np.sin(around), z], axis=1)


def ten(samples: int = 2000) -> SphereData:
    """Ten classes far apart, with normal scatter and weights of their own."""
    rng = np.random.default_rng(0)
    centres = 40 * spiral(10)
    labels = rng.integers(0, 10, samples)
    scatter = rng.normal(0, 3, (samples, 3))
    weights = centres + rng.normal(0, 6, (10, 3))
    return SphereData(centres[labels] + scatter, labels, NAMES, centres, weights)


def circles(axes: Axes, colour: str) -> np.ndarray:
    [line] = [x for x in axes.lines if x.get_color() == colour and x.get_marker() == "o"]
    return line.get_xydata()


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize(
    ("vector", "phi", "theta"),
    [
        ((0, 0, 5), 0, 0),
        ((0, 0, -1), 180, 0),
        ((3, 0, 0), 90, 0),
        ((0, 2, 0), 90, 90),
        ((-1, 0, 0), 90, 180),
        ((0, -1, 0), 90, -90),
        ((1, 1, 0), 90, 45),
        ((0.5, 0, 0.5), 45, 0),
        ((1, 1, np.sqrt(2)), 45, 45),
        ((1e-9, 0, 1), np.degrees(1e-9), 0),
    ],
)
def test_known_directions(vector: tuple[float, ...], phi: float, theta: float):
    np.testing.assert_allclose(spherical(np.array([vector])), [[phi, theta]], rtol=1e-12)


def test_zero_vectors_have_no_direction():
    assert spherical(np.zeros((4, 3))).shape == (0, 2)
    assert spherical(np.array([[0, 0, 0], [1, 0, 0]], np.float32)).tolist() == [[90, 0]]


def test_cells_count_every_sample_once():
    points = np.random.default_rng(0).normal(size=(1000, 3))
    corners = np.array([[0, 0, 1], [0, 0, -1], [-1, 0, 0], [-1, -0.0, 0]])
    assert density(np.concatenate([points, corners])).sum() == 1004
    cells = density(np.array([[5.0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]))
    assert cells[45, 90] == 2  # φ = 90°, θ = 0°
    assert cells[0, 90] == 1
    assert cells.sum() == 3


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"embeddings have shape \(7, 2\), expected \(7, 3\)"):
        small(embeddings=np.ones((7, 2)))
    with pytest.raises(ValueError, match=r"weights have shape \(2, 3\), expected \(3, 3\)"):
        small(weights=np.ones((2, 3)))


def test_circles_stand_where_centres_and_weights_are():
    axes = sphere_maps({"CE": small(weights=-AXES)}).axes[0]
    np.testing.assert_allclose(circles(axes, CENTRE), [[90, 0], [90, 90], [0, 0]])
    # −0.0 in the weights: their θ is −180° or 180°, the same meridian.
    weights = circles(axes, WEIGHT)
    np.testing.assert_allclose(np.abs(weights[0]), [90, 180])
    np.testing.assert_allclose(weights[1], [90, -90])
    assert weights[2][0] == 180


def test_maps_show_all_samples_with_a_direction_on_one_logarithmic_scale():
    figure = sphere_maps({"CE": small(), "DPNP": ten()})
    images = [image for axes in figure.axes for image in axes.get_images()]
    assert [image.get_array().sum() for image in images[:2]] == [6, 2000]
    assert images[0].norm is images[1].norm
    assert images[0].norm(1) == 0
    assert images[0].get_extent() == [0, 180, -180, 180]
    # Rows are θ: the sample on the y axis, φ = 90° and θ = 90°, is at the map's (90, 90).
    assert images[0].get_array()[135, 45] == 2


def test_maps_are_lettered_in_order_and_name_their_classes():
    said = texts(sphere_maps({"CE": small(), "DPP": small(), "DPNP": small()}))
    assert [t for t in said if t.startswith("(")] == ["(a) CE", "(b) DPP", "(c) DPNP"]
    assert said.count("three") == 3


def test_a_line_joins_a_centre_and_its_weights_over_the_edge_of_the_map():
    near, far = [-1.0, 0.1, 0], [-1.0, -0.1, 0]  # θ = 174.3° and −174.3°
    data = small(centres=np.array([near, *AXES[1:]]), weights=np.array([far, *AXES[1:]]))
    axes = sphere_maps({"CL": data}).axes[0]
    joins = [
        x.get_xydata() for x in axes.lines if x.get_color() == WEIGHT and len(x.get_xydata()) > 3
    ]
    theta = joins[0][:, 1]
    assert np.isnan(theta).sum() == 1
    assert np.nanmin(np.abs(theta)) == pytest.approx(174.29, abs=0.01)


def test_names_stand_clear_of_circles_and_of_each_other():
    lump = ten()
    near = lump.centres * 0.12 + [20, 20, 10]  # all classes in one corner of the map
    lump = SphereData(lump.embeddings, lump.labels, NAMES, near, lump.weights)
    for data in (ten(), lump):
        figure = sphere_maps({"CCL": data})
        figure.canvas.draw()
        axes = figure.axes[0]
        boxes = [t.get_window_extent() for t in figure.texts if t.get_text() in NAMES]
        assert len(boxes) == 10
        assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        middles = axes.transData.transform(circles(axes, CENTRE))
        for box in boxes:
            assert not [m for m in middles if box.padded(3).contains(*m)]
            assert axes.bbox.x0 <= box.x0
            assert box.x1 <= axes.bbox.x1


def test_zero_centres_samples_and_weights_leave_gaps():
    data = small(embeddings=np.zeros((7, 3)), centres=np.zeros((3, 3)), weights=np.zeros((3, 3)))
    figure = sphere_maps({"CE": data})
    assert "one" not in texts(figure)
    figure.savefig(io.BytesIO())
    sphere_view(data).savefig(io.BytesIO())
    assert "plotly" in sphere_html(data, "nothing")


@pytest.mark.parametrize("count", [1, 10, 102])
def test_every_class_has_its_own_colour(count: int):
    colours = class_colours(count)
    assert len(set(colours)) == count
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)


# Machado, Oliveira and Fernandes 2009, at full severity; rows act on linear RGB.
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


@pytest.mark.parametrize("matrix", DEFICIENCIES.values(), ids=DEFICIENCIES)
def test_ten_colours_are_told_apart_by_colour_blind_readers(matrix: list[list[float]]):
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in class_colours(10)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(matrix).T, 0, 1)
    x, y, z = np.cbrt(seen @ TO_XYZ.T / [0.9505, 1, 1.089]).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    assert min(np.linalg.norm(a - b) for a, b in combinations(lab, 2)) > 12  # ΔE; 2 is just seen


def test_the_view_encircles_the_classes_behind():
    # Two classes face each other: whatever the view, one is in front and one behind.
    data = small(
        embeddings=np.concatenate([AXES[:1], -AXES[:1]]),
        labels=np.array([0, 1]),
        class_names=["here", "there"],
        centres=np.concatenate([AXES[:1], -AXES[:1]]),
    )
    figure = sphere_view(data)
    dashed = [p for p in figure.axes[0].patches if isinstance(p, Circle) and p.get_radius() < 1.9]
    assert len(dashed) == 1
    ink = {t.get_text(): t.get_color() for t in figure.texts}
    assert ink["here"] != ink["there"]


def test_the_view_keeps_lengths_and_faces_most_classes():
    data = ten()
    figure = sphere_view(data)
    [outline] = [p for p in figure.axes[0].patches if p.get_radius() == pytest.approx(40)]
    assert outline.get_center() == (0, 0)
    dashed = [p for p in figure.axes[0].patches if p is not outline]
    assert 1 <= len(dashed) <= 5
    assert set(NAMES) <= set(texts(figure))
    assert "2,000 samples; the sphere’s radius, 40, is the centres’ mean norm." in texts(figure)


class References(HTMLParser):
    """What a page would load or link to: every src and href, and what styles name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data")]


def test_the_page_loads_nothing_and_escapes_names():
    data = small(class_names=["<img src=x>", "a & b", "</script>"])
    page = sphere_html(data, "</title><script src='https://x'>")
    parser = References()
    parser.feed(page)
    assert not parser.found
    assert "default-src 'none'" in page
    assert not parser.tags & {"img", "link", "iframe", "object"}
    assert page.count("<title>&lt;/title&gt;&lt;script src=&#x27;https://x&#x27;&gt;</title>") == 1
    assert "Plotly.newPlot" in page


def test_the_page_stays_small_and_is_the_same_each_time():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50_000, 3))
    labels = rng.integers(0, 102, 50_000)
    data = SphereData(points, labels, [f"flower {i}" for i in range(102)], spiral(102))
    page = sphere_html(data, "flowers")
    assert len(page) < 6_000_000
    assert "6,000 of 50,000 samples" in page
    assert sphere_html(data, "flowers") == page


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_the_page_draws_the_classes_in_a_browser(tmp_path: Path):
    (tmp_path / "sphere.html").write_text(sphere_html(ten(), "Ten classes"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,800",
             "--virtual-time-budget=10000", f"--screenshot={tmp_path / 'page.png'}"]  # fmt: skip
    address = (tmp_path / "sphere.html").as_uri()
    subprocess.run([CHROMIUM, *flags, address], check=True, timeout=120, capture_output=True)
    with Image.open(tmp_path / "page.png") as picture:
        drawn = np.asarray(picture.convert("RGB")).astype(int)
    scene = drawn[100:700, 100:800]  # without the heading and the legend
    for colour in class_colours(10):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(scene - wanted).max(axis=2) < 40).sum() > 20, colour


def test_plotly_is_imported_by_the_interactive_page_alone():
    code = "import interpret.figures.sphere_3d, sys; assert 'plotly' not in sys.modules"
    asked = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    assert asked.returncode == 0
