import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from interpret.figures.angle_histograms import angle_histograms, interclass_angles

METHODS = ("CE", "CL", "CPN", "CCL", "SCCL", "DPP", "DPNP")
OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])


def drawn(method_angles: dict[str, np.ndarray], **options: object) -> Figure:
    return angle_histograms({"row": method_angles}, methods=METHODS, xlabel="angle", **options)


def panel(figure: Figure, method: str, row: int = 0) -> Axes:
    return figure.axes[row * len(METHODS) + METHODS.index(method)]


def bars(axes: Axes) -> dict[float, float]:
    """Height in percent by left edge in degrees, of the bars that are not empty."""
    [steps] = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    values, edges, _ = steps.get_data()
    return {float(e): float(v) for e, v in zip(edges, values, strict=False) if v}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def lines(axes: Axes, style: str) -> list[float]:
    """Where the vertical lines of that style stand."""
    return [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == style]


def test_angles_of_all_pairs_of_an_octahedron():
    found = np.sort(interclass_angles(7 * OCTAHEDRON))
    np.testing.assert_allclose(found, [90] * 12 + [180] * 3)


def test_one_class_has_no_pairs():
    assert interclass_angles(np.ones((1, 3))).shape == (0,)


def test_bars_are_shares_of_the_pairs_and_the_last_bin_holds_180_degrees():
    figure = drawn({"DPNP": interclass_angles(OCTAHEDRON)}, limits={}, bins_deg=5)
    assert bars(panel(figure, "DPNP")) == pytest.approx({90: 80, 175: 20})


def test_means_smallest_angles_and_limits_are_marked():
    figure = drawn({"CE": np.array([60.0, 90, 120, 150])}, limits={"row": 99.5})
    axes = panel(figure, "CE")
    assert lines(axes, ":") == [99.5]
    assert 105.0 in lines(axes, "-")
    assert {"mean 105.0°", "min 60.0°"} <= set(texts(figure))
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "^"] == [60]
    assert axes.get_xlim()[0] <= 60 < 150 < axes.get_xlim()[1]


def test_angles_of_samples_have_neither_smallest_angle_nor_limit():
    figure = drawn({"CE": np.array([2.0, 4, 9])})
    assert not lines(panel(figure, "CE"), ":")
    assert [text for text in texts(figure) if text.startswith("m")] == ["mean 5.0°", "mean"]
    assert panel(figure, "CE").get_ylabel() == "share of samples"


def test_a_method_without_a_run_leaves_its_panel():
    figure = drawn({"CE": np.array([90.0]), "CL": np.array([])}, limits={})
    assert len(figure.axes) >= len(METHODS)
    for method in METHODS:
        said = [text.get_text() for text in panel(figure, method).texts]
        assert said == ([] if method == "CE" else ["no run"])


def test_a_row_without_any_run_can_be_drawn():
    figure = drawn({}, limits={})
    assert [t.get_text() for t in panel(figure, "DPNP").texts] == ["no run"]


def test_unknown_methods_are_not_dropped():
    with pytest.raises(ValueError, match="unknown methods \\['dpnp'\\]"):
        drawn({"dpnp": np.array([90.0])})


def test_the_panels_of_a_row_share_their_axes_and_rows_do_not():
    rows = {
        "wide": {"CE": np.array([10.0, 170]), "DPNP": np.array([60.0, 60, 60, 61])},
        "narrow": {"CE": np.array([88.0, 92])},
    }
    figure = angle_histograms(rows, methods=METHODS, xlabel="angle", limits={})
    for row in (0, 1):
        scales = {(panel(figure, m, row).get_xlim(), panel(figure, m, row).get_ylim())
                  for m in METHODS}  # fmt: skip
        assert len(scales) == 1
    assert panel(figure, "CE", 1).get_xlim()[0] > 80
    assert [text for text in texts(figure) if text in rows] == ["wide", "narrow"]


def test_outliers_of_samples_are_told_and_not_drawn():
    angles = np.concatenate([np.full(999, 3.0), [170.0]])
    figure = drawn({"DPP": angles})
    axes = panel(figure, "DPP")
    assert axes.get_xlim()[1] < 10
    assert sum(bars(axes).values()) == pytest.approx(99.9)
    assert "0.1% beyond" in texts(figure)


def test_no_pair_of_classes_is_an_outlier():
    angles = np.concatenate([np.full(999, 90.0), [170.0]])
    axes = panel(drawn({"DPP": angles}, limits={}), "DPP")
    assert sum(bars(axes).values()) == pytest.approx(100)


@pytest.mark.parametrize("spread", [0.0, 0.3, 20.0, 170.0])
def test_bins_suit_the_row_and_hold_all_pairs(spread: float):
    angles = np.linspace(5, 5 + spread, 40)
    axes = panel(drawn({"CE": angles}, limits={}), "CE")
    assert sum(bars(axes).values()) == pytest.approx(100)
    assert len(bars(axes)) <= 45
    assert 1 <= len(axes.get_xticks()) <= 5


def test_no_text_stands_on_another():
    rng = np.random.default_rng(0)
    rows = {
        name: {method: rng.uniform(low, high, 45) for method in METHODS}
        for name, low, high in (("a", 0, 180), ("b", 100, 130))
    }
    figure = angle_histograms(
        rows, methods=METHODS, xlabel="angle between two class centres", limits={"a": 66.1}
    )
    figure.canvas.draw()
    labels = [label for axes in figure.axes for label in axes.get_xticklabels()]
    boxes = [text.get_window_extent() for text in [*figure.texts, *labels]]
    for number, box in enumerate(boxes):
        assert not [other for other in boxes[number + 1 :] if box.overlaps(other)]
        assert box.x0 >= 0
        assert math.ceil(box.x1) <= figure.bbox.x1
