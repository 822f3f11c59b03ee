from itertools import combinations

import numpy as np
import pytest

from interpret.figures.label_placement import place_names
from interpret.figures.layout import Layout


def placed(points: np.ndarray, names: list[str]) -> Layout:
    layout = Layout(3, 3)
    axes = layout.axes(0, 0, 3, 3)
    axes.set(xlim=(0, 3), ylim=(0, 3))  # data coordinates are inches
    place_names(layout, axes, points, names, radii=np.full(len(points), 0.05))
    return layout


def boxes(layout: Layout) -> list[tuple[float, ...]]:
    """Left, bottom, right and top of every name, in inches."""
    found = [text.get_window_extent() for text in layout.figure.texts]
    return [tuple(np.array(box.extents) / layout.figure.dpi) for box in found]


def test_a_lone_name_stands_close_to_the_right_of_its_point():
    layout = placed(np.array([[1.0, 1.5]]), ["name"])
    [(left, bottom, _, top)] = boxes(layout)
    assert left == pytest.approx(1 + 0.05 + 0.02, abs=0.01)
    assert (bottom + top) / 2 == pytest.approx(1.5, abs=0.01)
    assert not layout.figure.artists  # so close, no line leads to it


def test_at_the_edge_it_turns_to_the_other_side():
    layout = placed(np.array([[2.95, 1.5]]), ["a long name"])
    [(_, _, right, _)] = boxes(layout)
    assert right <= 3 - 0.02 + 1e-6


def test_names_of_a_crowd_stand_apart_and_lines_lead_to_them():
    points = 1.5 + np.random.default_rng(0).normal(0, 0.05, (9, 2))
    layout = placed(points, [f"name {i}" for i in range(9)])
    found = boxes(layout)
    for a, b in combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert layout.figure.artists
    for line in layout.figure.artists:
        start, end = np.array(line.get_data()).T * 3
        away = np.linalg.norm(points - start, axis=1)  # one line starts on a point's circle
        assert np.abs(away - 0.05).min() < 1e-6
        assert np.linalg.norm(start - end) > 0.05
