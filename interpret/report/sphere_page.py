"""A page to turn an embedding space in."""

from __future__ import annotations

from markupsafe import Markup

from interpret.figures.sphere_3d import caption, sphere_plot
from interpret.figures.sphere_map import SphereData
from interpret.report import html_page as web


def sphere_page(data: SphereData, title: str) -> str:
    """The page as HTML: samples by class, centres and weights.

    Pointing at a sample tells its class; a click in the legend hides a class, a double click
    shows it alone.
    """
    return web.render(
        "sphere.html",
        title=title,
        caption=caption(data),
        weights=data.weights is not None,
        plot=Markup(sphere_plot(data, height="100%")),
    )
