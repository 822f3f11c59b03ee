"""The command line over bundles alone: what needs neither torch nor labelled data.

`python -m interpret.commands.app` runs it; `dpnp` has its commands beside those of training.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from interpret.commands import bundles, pictures
from interpret.commands.console import new_app, run

COMMANDS: tuple[Callable[..., None], ...] = (
    pictures.predict,
    pictures.explain,
    pictures.similar,
    bundles.report,
    bundles.remove_class,
    bundles.update_gallery,
    bundles.forget,
)


def build_app() -> typer.Typer:
    """The application with all commands of this package."""
    app = new_app()
    for command in COMMANDS:
        app.command()(command)
    return app


if __name__ == "__main__":
    run(build_app())
