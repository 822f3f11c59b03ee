"""The commands that change a bundle without training, or report on it.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from interpret.bundle.errors import DpnpError
from interpret.bundle.file_suffixes import check_suffix
from interpret.commands.console import BundleFolder, Force, Out, Strict, counted, printable

if TYPE_CHECKING:
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.manifest import GalleryMode


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
    shards: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="add all rows of the Parquet files in this folder, as predict --embeddings writes "
            "them: columns embedding, label, source, and optionally thumbnail",
        ),
    ] = None,
    gallery_mode: Annotated[
        str | None,
        typer.Option(
            metavar="pictures|remote|none",
            help="where the gallery's thumbnails are: in the bundle, behind --gallery-url, nowhere",
        ),
    ] = None,
    gallery_url: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help="of a remote gallery: what stands before ID.webp. The thumbnails are written "
            "beside the bundle, to be uploaded",
        ),
    ] = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Write a bundle with pictures added to its gallery, or taken from it.

    Example: dpnp update-gallery models/digits-dpnp --remove 17 --add 3=more/3 --out models/digits
    """
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.overwriting import check_out
    from interpret.edit import gallery_update

    check_out(out, force=force)
    added: dict[str, list[Path]] = {}
    for pair in add or []:
        label, equals, folder = pair.partition("=")
        if not equals:
            raise DpnpError(f"--add {pair}: not LABEL=FOLDER")
        added.setdefault(label, []).append(Path(folder))
    mode = gallery_mode if gallery_mode is None else _mode(gallery_mode)
    if mode is None and gallery_url is not None:
        raise DpnpError("--gallery-url: belongs to --gallery-mode remote, which is not given")
    if not added and not remove and shards is None and mode is None:
        raise DpnpError("nothing to do: give --add, --remove, --from or --gallery-mode")
    before = Bundle.load(bundle)
    done = gallery_update.update_gallery(
        before,
        added,
        remove or [],
        out,
        shards=shards,
        mode=mode,
        url=gallery_url,
        strict=strict,
    )
    if done.without_embedding:
        typer.echo(f"left out: {counted(done.without_embedding, 'row')} without an embedding")
    if done.unrecognised:
        pictures = counted(done.unrecognised, "picture")
        typer.echo(f"left out: {pictures} of no class, neither by the source nor by the model")
    if done.only_answered:
        pictures = counted(done.only_answered, "picture")
        typer.echo(f"labelled by the model: {pictures} that the source gives no label")
    if before.has_features and not done.bundle.has_features:
        typer.echo("left out: the pooled features of the gallery, which the shards do not have")
    for copy in done.copies:
        typer.echo(
            f"left out: {printable(copy.file)} has the same pixels as {printable(copy.place)}"
        )
    print_written(done.bundle)


def forget(
    bundle: BundleFolder,
    examples: Annotated[
        list[int], typer.Argument(metavar="ID", help="training images, by the ids in answers")
    ],
    out: Out,
    near: Annotated[
        bool, typer.Option("--near", help="forget their copies and near-duplicates, too")
    ] = False,
    feedback: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="forget their corrections in this file, too"),
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="the receipt to write: .json; default: beside the bundle")
    ] = None,
    force: Force = False,
) -> None:
    """Write a bundle without some training images and what was made of them, with a receipt.

    Example: dpnp forget models/digits-dpnp 17 42 --near --out models/digits
    """
    import json

    from interpret.bundle.atomic_files import write_atomically
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.overwriting import check_out
    from interpret.edit import forgetting

    check_out(out, force=force)
    receipt = _free_receipt(out) if receipt is None else receipt
    if receipt.suffix.lower() != ".json":
        raise DpnpError(f"--receipt {receipt}: .json is written")
    if receipt.exists():  # before the work: a receipt is a proof, and is never replaced
        raise DpnpError(f"--receipt {receipt}: exists already; choose another file")
    receipt.parent.mkdir(parents=True, exist_ok=True)
    done = forgetting.forget(Bundle.load(bundle), examples, out, near=near, feedback=feedback)
    write_atomically(receipt, (json.dumps(done.receipt, indent=2) + "\n").encode())
    print_written(done.bundle)
    typer.echo(f"written: {printable(receipt)}")
    for left in done.receipt["not_undone"]:
        typer.echo(f"not undone: {printable(left)}")


def _free_receipt(out: Path) -> Path:
    """NAME-receipt.json beside the bundle, or NAME-receipt-2.json and so on where it is taken."""
    names = chain([""], (f"-{number}" for number in count(2)))
    places = (out.parent / f"{out.name}-receipt{each}.json" for each in names)
    return next(place for place in places if not place.exists())


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


def _mode(value: str) -> GalleryMode:
    from interpret.bundle.manifest import GalleryMode

    for mode in get_args(GalleryMode):
        if value == mode:
            return cast("GalleryMode", mode)
    raise DpnpError(f"--gallery-mode {value}: not one of {', '.join(get_args(GalleryMode))}")


def print_written(bundle: Bundle) -> None:
    """Say on stdout which bundle was written, and how it differs from its parent."""
    change = bundle.manifest.changes[-1]
    typer.echo(f"written: {printable(bundle.path)} ({printable(change.what)})")
