"""The commands that change a bundle without training, or report on it.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interpret.bundle.errors import DpnpError
from interpret.bundle.file_suffixes import check_suffix
from interpret.commands.console import BundleFolder, Force, Out, printable

if TYPE_CHECKING:
    from interpret.bundle.bundle import Bundle


def remove_class(
    bundle: BundleFolder,
    label: Annotated[str, typer.Argument(help="the class to remove")],
    out: Out,
    force: Force = False,
) -> None:
    """Write a bundle without one of its classes.

    Example: dpnp remove-class models/digits-dpnp 9 --out models/digits-0-to-8
    """
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.overwriting import check_out
    from interpret.edit import classes

    check_out(out, force=force)
    print_written(classes.remove_class(Bundle.load(bundle), label, out))


def update_gallery(
    bundle: BundleFolder,
    out: Out,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=FOLDER", help="add these pictures to a class; repeatable"),
    ] = None,
    remove: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="remove the training image with this id; repeatable"),
    ] = None,
    force: Force = False,
) -> None:
    """Write a bundle with pictures added to its gallery, or taken from it.

    Example: dpnp update-gallery models/digits-dpnp --remove 17 --add 3=more/3 --out models/digits
    """
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.overwriting import check_out
    from interpret.edit import gallery_update

    check_out(out, force=force)
    added = {}
    for pair in add or []:
        label, equals, folder = pair.partition("=")
        if not equals:
            raise DpnpError(f"--add {pair}: not LABEL=FOLDER")
        added[label] = Path(folder)
    if not added and not remove:
        raise DpnpError("nothing to do: give --add or --remove")
    done = gallery_update.update_gallery(Bundle.load(bundle), added, remove or [], out)
    for copy in done.copies:
        typer.echo(
            f"left out: {printable(copy.file)} has the same pixels as {printable(copy.place)}"
        )
    print_written(done.bundle)


def report(
    bundle: BundleFolder,
    out: Annotated[Path, typer.Option(help="the page to write: .html")],
    sphere: Annotated[
        Path | None, typer.Option(help="also draw the embedding space as a picture: .png, .svg")
    ] = None,
) -> None:
    """Write a page about a bundle: its figures, classes, examples and prototypes.

    Example: dpnp report models/digits-dpnp --out report.html --sphere sphere.png
    """
    from interpret.bundle.bundle import Bundle
    from interpret.figures.layout import save_figure
    from interpret.figures.sphere_3d import sphere_view
    from interpret.report.html_page import write_page
    from interpret.report.report import report_page, sphere_data

    check_suffix(out, "pages")
    if sphere is not None:
        check_suffix(sphere, "figures")  # before the work
    loaded = Bundle.load(bundle)
    write_page(out, report_page(loaded))
    typer.echo(f"written: {printable(out)}")
    if sphere is not None:
        save_figure(sphere_view(sphere_data(loaded)), sphere)
        typer.echo(f"written: {printable(sphere)}")


def print_written(bundle: Bundle) -> None:
    """Say on stdout which bundle was written, and how it differs from its parent."""
    change = bundle.manifest.changes[-1]
    typer.echo(f"written: {printable(bundle.path)} ({printable(change.what)})")
