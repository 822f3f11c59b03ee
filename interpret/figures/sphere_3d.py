"""The paper's Fig. 5 (h): three-dimensional embeddings as they lie in space, drawn and interactive.

Nothing is normalised here, unlike in `sphere_map`: lengths are the embeddings' own.
"""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from interpret.figures.label_placement import place_names
from interpret.figures.layout import Layout
from interpret.figures.palette import GREY, INK, PAPER, RULE, WASH, blend, class_colours
from interpret.figures.sphere_map import SphereData
from interpret.geometry.geometry import Array
from interpret.geometry.packing import random_directions

# Inches.
_MARGIN, _SIDE, _CAPTION = 0.3, 5.6, 0.45

_POINTS = 6000  # drawn at most: more make the page large and the picture no clearer
_VIEWS = 400  # directions tried for the one from which the classes stand furthest apart
_FAINT = 0.6  # how much of white is in the colours of what is behind
_ENCIRCLED = 0.9  # share of a class's samples inside its circle
_GRATICULE = np.radians(30)  # between two lines

# Plotly's toolbar would otherwise offer to send the data to its makers' server.
_CONFIG = {"displaylogo": False, "responsive": True, "showSendToCloud": False}


def sphere_view(data: SphereData) -> Figure:
    """Embeddings and class centres in space, seen from where the centres overlap least.

    The classes whose centre is on the far side are pale and encircled. The sphere's radius is
    the mean norm of the centres; the farthest hundredth of the samples may be outside the frame.
    """
    layout = Layout(_SIDE + 2 * _MARGIN, _SIDE + _MARGIN + _CAPTION)
    axes = layout.axes(_MARGIN, _MARGIN / 2, _SIDE, _SIDE)
    chosen, radius = _sample(data), _radius(data)
    reach = _reach(data, radius)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    turn = _view(data.centres)  # rows: to the right, up, towards the reader
    points, centres = data.embeddings[chosen] @ turn.T, data.centres @ turn.T
    labels, behind = data.labels[chosen], centres[:, 2] < 0
    bright = class_colours(len(centres))
    colours = [blend(c, PAPER, _FAINT) if far else c for c, far in zip(bright, behind, strict=True)]

    _globe(axes, turn, radius, front=False)
    for far in (True, False):
        own = np.flatnonzero(behind[labels] == far)
        own = own[np.argsort(points[own, 2])]  # the nearest are drawn last
        shown = [colours[label] for label in labels[own]]
        axes.scatter(points[own, 0], points[own, 1], s=5, c=shown, alpha=0.7, linewidths=0,
                     rasterized=True, zorder=2 - far)  # fmt: skip
    _globe(axes, turn, radius, front=True)
    edges = [GREY if far else INK for far in behind]
    axes.scatter(centres[:, 0], centres[:, 1], s=26, c="white", edgecolors=edges, linewidths=1.1,
                 zorder=4)  # fmt: skip

    inches = _SIDE / (2 * reach)
    radii = np.full(len(centres), 0.06)
    for number in np.flatnonzero(behind & np.isin(np.arange(len(centres)), labels)):
        middle = centres[number, :2]
        away = np.linalg.norm(points[labels == number, :2] - middle, axis=1)
        size = float(np.clip(np.quantile(away, _ENCIRCLED), 0.12 / inches, 0.3 * radius))
        circle = Circle((middle[0], middle[1]), size, fill=False, linewidth=1.1, zorder=3)
        circle.set(edgecolor=bright[number], linestyle=(0, (4, 2)))
        axes.add_patch(circle)
        radii[number] = size * inches
    place_names(layout, axes, centres[:, :2], data.class_names, radii=radii, colours=edges,
                size=8.5 if len(centres) <= 20 else 5)  # fmt: skip
    bottom = _SIDE + _MARGIN / 2 + 0.2
    for line in (caption(data), "Pale and encircled: the classes on the far side."):
        layout.text(_MARGIN, bottom, line, width=_SIDE, size=8, colour=GREY)
        bottom += 0.17
    return layout.figure


def sphere_plot(data: SphereData, *, height: str) -> str:
    """The view to turn, as a part of an HTML page: samples by class, centres and weights.

    `height` is in CSS units. The part holds the whole of plotly.js and loads nothing.
    """
    import plotly.graph_objects as go  # here: it takes a second, and figures do not need it
    from plotly.io import to_html

    traces = [_globe_trace(_radius(data)), *_class_traces(data)]
    figure = go.Figure(data=traces, layout=_layout(_reach(data, _radius(data))))
    plot: str = to_html(
        figure,
        config=_CONFIG,
        include_plotlyjs=True,
        full_html=False,
        default_height=height,
        div_id="sphere",  # the same data give the same page
    )
    return plot


def _sample(data: SphereData) -> NDArray[np.intp]:
    """The samples that are drawn: all that are not zero, or _POINTS of them at random."""
    directed = np.flatnonzero(np.linalg.norm(data.embeddings, axis=1) > 0)
    if len(directed) <= _POINTS:
        return directed
    return np.sort(np.random.default_rng(0).choice(directed, _POINTS, replace=False))


def _radius(data: SphereData) -> float:
    return float(np.linalg.norm(data.centres, axis=1).mean()) or 1.0


def _reach(data: SphereData, radius: float) -> float:
    """The distance from the origin to the edge of the picture: nearly all samples are inside."""
    norms = np.linalg.norm(data.embeddings, axis=1)
    far = float(np.quantile(norms, 0.99)) if len(norms) else radius
    return 1.08 * max(far, 1.1 * radius)


def caption(data: SphereData) -> str:
    """How many samples are drawn, and how large the sphere is."""
    shown, count = len(_sample(data)), len(data.labels)
    samples = f"{count:,} samples" if shown == count else f"{shown:,} of {count:,} samples"
    return f"{samples}; the sphere’s radius, {_radius(data):.3g}, is the centres’ mean norm."


def _view(centres: NDArray[np.floating]) -> Array:
    """The rotation (3, 3) to the view in which the closest two centres are furthest apart.

    Two opposite sides show that; the one with more of the centres in front is taken.
    """
    best, widest = np.eye(3), -1.0
    for towards in random_directions(_VIEWS, 3, seed=0):
        right = np.cross([0.0, 0.0, 1.0], towards)
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(towards, right), towards])
        flat = centres @ turn[:2].T
        apart = np.linalg.norm(flat[:, None] - flat, axis=2)[np.triu_indices(len(flat), 1)]
        if (closest := float(apart.min(initial=np.inf))) > widest:
            best, widest = turn, closest
    front = np.sign((centres @ best[2]).sum()) or 1.0
    faced: Array = best * np.array([[front], [1.0], [front]])
    return faced


def _circles() -> list[Array]:
    """The sphere's meridians and parallels, each as points (K, 3) of length one."""
    around, along = np.linspace(-np.pi, np.pi, 181), np.linspace(0, np.pi, 91)
    steps = round(np.pi / _GRATICULE)
    lines = [(along, theta * _GRATICULE) for theta in range(2 * steps)]
    lines += [(phi * _GRATICULE, around) for phi in range(1, steps)]
    return [
        np.stack(
            [np.sin(phi) * np.cos(theta), np.sin(phi) * np.sin(theta), np.cos(phi) + 0 * theta],
            axis=1,
        )
        for phi, theta in lines
    ]


def _globe(axes: Axes, turn: Array, radius: float, *, front: bool) -> None:
    """The sphere's lines on the near half (`front`) or on the far half."""
    for line in _circles():
        turned = radius * line @ turn.T
        turned[(turned[:, 2] > 0) != front] = np.nan
        colour, width = (GREY, 0.35) if front else (RULE, 0.5)
        axes.plot(*turned[:, :2].T, color=colour, linewidth=width, alpha=0.5 if front else 1,
                  zorder=2.5 if front else 0.5)  # fmt: skip
    if not front:
        outline = Circle((0, 0), radius, facecolor=WASH, edgecolor=GREY, linewidth=0.7)
        axes.add_patch(outline).set_zorder(0)


def _class_traces(data: SphereData) -> list[dict[str, Any]]:
    """The samples, centre and weights of each class. The legend hides the three together."""
    chosen = _sample(data)
    labels, points = data.labels[chosen], data.embeddings[chosen]
    large = {"size": 8, "line": {"color": INK, "width": 2}}
    traces = []
    for number, colour in enumerate(class_colours(len(data.class_names))):
        own = [
            _scatter(points[labels == number], "", size=2.5, opacity=0.75),
            _scatter(data.centres[[number]], ": centre", **large),
        ]
        if data.weights is not None:
            own.append(_scatter(data.weights[[number]], ": weights", symbol="diamond", **large))
        for role, trace in enumerate(own):
            # Plotly reads names as HTML.
            trace["name"] = html.escape(data.class_names[number])
            trace |= {"legendgroup": str(number), "showlegend": role == 0}
            trace["marker"]["color"] = colour
        traces += own
    return traces


def _scatter(points: NDArray[np.floating], role: str, **marker: Any) -> dict[str, Any]:
    x, y, z = points.astype(np.float32).T  # half the bytes of float64 in the page
    return {
        "type": "scatter3d", "mode": "markers", "x": x, "y": y, "z": z, "marker": dict(marker),
        "hovertemplate": f"%{{fullData.name}}{role}<extra></extra>",
    }  # fmt: skip


def _globe_trace(radius: float) -> dict[str, Any]:
    gap = np.full((1, 3), np.nan)
    lines = radius * np.concatenate([part for line in _circles() for part in (line, gap)])
    x, y, z = lines.astype(np.float32).T
    return {
        "type": "scatter3d", "mode": "lines", "x": x, "y": y, "z": z,
        "line": {"color": RULE, "width": 1}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def _layout(reach: float) -> dict[str, Any]:
    axis = {"visible": False, "range": [-reach, reach]}
    return {
        "template": "none",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "font": {"family": "DejaVu Sans, Verdana, sans-serif", "size": 13, "color": INK},
        # Below the toolbar; the dots of the legend are larger than the samples'.
        "legend": {"itemsizing": "constant", "x": 1, "xanchor": "right", "y": 0.93},
        "scene": {
            "xaxis": axis, "yaxis": axis, "zaxis": axis,
            "aspectmode": "cube", "dragmode": "orbit",
            "camera": {"eye": {"x": 0.9, "y": 0.9, "z": 0.55}},
        },
    }  # fmt: skip
