"""Self-contained HTML pages: everything inside one file, nothing fetched, nothing sent."""

from __future__ import annotations

import io
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from interpret.bundle.atomic_files import write_atomically
from interpret.figures import palette
from interpret.figures.content_policy import SELF_CONTAINED


def render(template: str, **values: object) -> str:
    """A page from the templates beside this file; every value is escaped unless it is Markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        policy=SELF_CONTAINED, colours=palette.CSS, **values
    )


def svg(figure: Figure) -> Markup:
    """A figure as inline SVG."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", transparent=True)
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])


def write_page(path: Path, page: str) -> None:
    """Write a page in one go."""
    write_atomically(path, page.encode())
