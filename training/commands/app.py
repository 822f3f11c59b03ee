"""The command line `dpnp`: all commands, those over bundles alone from `interpret` too.

The commands of `serving` are found by name when the application is built: `training` stands
beside `serving`, so no file of it imports from there.
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name

import typer

from interpret.commands import bundles as plain
from interpret.commands import pictures
from interpret.commands.console import new_app, run
from training.commands import bundles, teaching
from training.commands.reproduce import reproduce
from training.commands.train import join, train

# By the panels of --help, in its order.
COMMANDS: dict[str, tuple[Callable[..., None] | str, ...]] = {
    "Make a model": (train, join, bundles.export),
    "Ask a model": (pictures.predict, pictures.explain, pictures.similar, plain.report),
    "Serve a model": ("serving.commands.serve:serve", "serving.commands.build:build"),
    "Measure on labelled pictures": (bundles.evaluate, bundles.calibrate, bundles.audit),
    "Change a model without training": (
        teaching.teach,
        bundles.add_class,
        plain.remove_class,
        plain.update_gallery,
        plain.forget,
    ),
    "The paper": (reproduce,),
}


def build_app() -> typer.Typer:
    """The application with every command."""
    app = new_app()
    for panel, commands in COMMANDS.items():
        for command in commands:
            found = resolve_name(command) if isinstance(command, str) else command
            app.command(rich_help_panel=panel)(found)
    return app


def main() -> None:
    """The console script `dpnp`."""
    run(build_app())


if __name__ == "__main__":
    main()
