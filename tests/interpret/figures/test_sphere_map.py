import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes

from interpret.figures.palette import CENTRE, WEIGHT
from interpret.figures.sphere_map import SphereData, density, sphere_maps, spherical
from tests.interpret.figures.spheres import AXES, NAMES, small, ten, texts


def circles(axes: Axes, colour: str) -> np.ndarray:
    [line] = [x for x in axes.lines if x.get_color() == colour and x.get_marker() == "o"]
    return line.get_xydata()


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
