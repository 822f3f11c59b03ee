"""The gallery and the prototypes in space, to be turned: in 3-D as they are, else their first
three principal directions.
"""

from __future__ import annotations

import colorsys

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from numpy.typing import NDArray

from interpret.bundle import Bundle
from interpret.page import INK

POINTS = 4000  # training images drawn at most
# Okabe and Ito's without their yellow, and Tol's wine, indigo and olive.
_TEN = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#1f2328",
    "#56b4e9", "#d55e00", "#882255", "#999933", "#332288",
)  # fmt: skip
# Plotly's toolbar would otherwise offer to send the data to its makers' server.
_CONFIG = {"displaylogo": False, "responsive": True, "showSendToCloud": False}


def sphere(bundle: Bundle) -> Markup:
    """A part of a page, with the whole of plotly.js in it."""
    points, centres = directions(bundle)
    labels, names = bundle.gallery.labels, bundle.manifest.class_names
    shown = np.random.default_rng(0).permutation(len(points))[:POINTS]
    traces = [_globe(float(np.median(np.linalg.norm(centres, axis=1))))]
    for c, name in enumerate(names):
        colour, own = _colour(c, len(names)), points[shown[labels[shown] == c]]
        group = {"legendgroup": name, "name": name, "hovertemplate": f"{name}<extra></extra>"}
        marker = {"size": 2.2, "color": colour, "opacity": 0.5}
        traces.append(_scatter(own, mode="markers", marker=marker, showlegend=False, **group))
        traces.append(
            _scatter(
                centres[c : c + 1],
                mode="markers+text",
                text=[name],
                textfont={"color": INK, "size": 13},
                textposition="top center",
                marker={"size": 7, "color": colour, "line": {"color": INK, "width": 1}},
                **group,
            )
        )
    figure = go.Figure(traces)
    figure.update_layout(
        height=620,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        font={"color": INK},
        legend={"itemsizing": "constant", "x": 0.01, "y": 0.98},
        scene={
            "aspectmode": "data",
            "dragmode": "orbit",
            "camera": {"eye": {"x": 0.95, "y": 0.95, "z": 0.6}},
            **{f"{axis}axis": {"visible": False} for axis in "xyz"},
        },
    )
    page = figure.to_html(full_html=False, include_plotlyjs=True, config=_CONFIG)
    return Markup(page)


def directions(bundle: Bundle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The gallery (G, 3) and the prototypes (M, 3).

    Beyond three dimensions: the principal directions of the prototypes around the origin, which
    keeps the sphere's centre where it is.
    """
    points = bundle.embeddings.astype(np.float64)
    centres = bundle.prototypes.astype(np.float64)
    dim = centres.shape[1]
    if dim <= 3:
        pad = ((0, 0), (0, 3 - dim))
        return np.pad(points, pad), np.pad(centres, pad)
    basis = np.linalg.svd(centres, full_matrices=False)[2]
    basis = np.pad(basis, ((0, max(0, 3 - len(basis))), (0, 0)))[:3]
    return points @ basis.T, centres @ basis.T


def _colour(index: int, count: int) -> str:
    if count <= len(_TEN):
        return _TEN[index]
    red, green, blue = colorsys.hls_to_rgb(index / count, 0.38 + 0.14 * (index % 2), 0.62)
    return f"rgb({red * 255:.0f},{green * 255:.0f},{blue * 255:.0f})"


def _scatter(points: NDArray[np.float64], **options: object) -> go.Scatter3d:
    x, y, z = np.round(points, 3).T.tolist()
    return go.Scatter3d(x=x, y=y, z=z, **options)


def _globe(radius: float) -> go.Scatter3d:
    """Meridians and parallels, one line with gaps."""
    turn, rise = np.linspace(0, 2 * np.pi, 61), np.radians(np.arange(-60, 61, 30))
    gap = np.full((1, 3), np.nan)
    parts = []
    for angle in rise:
        ring = [np.cos(turn) * np.cos(angle), np.sin(turn) * np.cos(angle)]
        parts += [np.stack([*ring, np.full_like(turn, np.sin(angle))], 1), gap]
    for angle in np.radians(np.arange(0, 180, 30)):
        ring = [np.cos(turn) * np.cos(angle), np.cos(turn) * np.sin(angle), np.sin(turn)]
        parts += [np.stack(ring, 1), gap]
    line = {"color": "rgba(95,104,115,0.5)", "width": 1}
    return _scatter(
        radius * np.concatenate(parts), mode="lines", line=line, hoverinfo="skip", showlegend=False
    )
