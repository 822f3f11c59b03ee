"""The command that teaches a bundle by corrections, and the table of what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from interpret.commands.console import AsJson, BundleFolder, Force, print_json, print_table, say
from training.commands.options import DataRoot, Download, Seed, log_to_stderr

if TYPE_CHECKING:
    from training.evaluate.held_out import Comparison
    from training.export.teach import Effect

_SHOWN = 12  # classes in the table, those that change most


def teach(
    bundle: BundleFolder,
    feedback: Annotated[
        Path, Option(metavar="FILE", help="the corrections: the service's DPNP_FEEDBACK")
    ],
    out: Annotated[
        Path | None, Option(metavar="BUNDLE", help="the bundle to write; not with --dry-run")
    ] = None,
    force: Force = False,
    data: Annotated[
        str | None,
        Option(
            help="held-out pictures for the limits and the comparison: digits, cifar10, cifar100, "
            "flowers102, folder:PATH, webdataset:PATH or parquet:PATH; default: those the model "
            "was trained on"
        ),
    ] = None,
    max_loss: Annotated[
        float, Option(min=0, max=1, help="refuse a larger loss of accuracy on held-out pictures")
    ] = 0.01,
    dry_run: Annotated[
        bool, Option("--dry-run", help="show what would change, and write nothing")
    ] = False,
    as_json: AsJson = False,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Refit a bundle's head to corrections: projection and prototypes, in seconds.

    First it shows which answers to held-out pictures change, and which class pays.

    Example: dpnp teach models/digits-dpnp --feedback feedback.db --out models/digits-taught
    """
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.errors import DpnpError
    from interpret.bundle.overwriting import check_out
    from interpret.commands.bundles import print_written
    from training.evaluate.labelled import DataSource
    from training.export.teach import prepare_teaching, write_taught

    if (out is None) != dry_run:
        raise DpnpError("give one of --out and --dry-run")
    if out is not None:
        check_out(out, force=force)
    log_to_stderr()
    spec = data or str(Bundle.load(bundle).manifest.training.get("data", ""))
    if not spec:
        raise DpnpError("--data: the bundle does not say what it was trained on")
    source = DataSource(spec, seed, data_root, download)
    teaching = prepare_teaching(bundle, feedback, source, max_loss=max_loss)
    if as_json:
        print_json(_document(teaching.effect))
    else:
        _print_effect(teaching.effect)
    teaching.effect.check(max_loss)
    if out is not None:
        written = write_taught(teaching, out)
        if not as_json:
            print_written(written)


def _document(effect: Effect) -> dict[str, object]:
    document: dict[str, object] = effect._asdict()
    for name in ("choice", "measured"):
        found: Comparison = getattr(effect, name)
        classes = [each._asdict() for each in found.per_class]
        pays = None if found.pays is None else found.pays.label
        document[name] = found._asdict() | {"per_class": classes, "pays": pays}
    return document


def _print_effect(effect: Effect) -> None:
    say(
        f"{effect.corrections:,} corrections: {effect.learnt_before:,} were answered as they say, "
        f"{effect.learnt:,} would be."
    )
    for why, count in effect.left_out.items():
        say(f"{count:,} more are left out: {why}.")
    say(f"Features of the gallery: {effect.features}. Stiffness: {effect.stiffness:g}.")
    found = effect.measured
    say(
        f"Accuracy on {found.examples:,} held-out pictures ({found.split}): {found.before:.2%} "
        f"before, {found.after:.2%} after. {found.righted:,} answers turn right, {found.wronged:,} "
        f"turn wrong, {found.other:,} turn from one wrong class to another."
    )
    changed = [c for c in found.per_class if c.before is not None and c.before != c.after]
    changed.sort(key=lambda c: (c.after or 0) - (c.before or 0))
    if changed:
        print_table(
            ("class", " pictures", " right before", " right after"),
            [
                (c.label, f"{c.examples:,}", f"{c.before:.2%}", f"{c.after:.2%}")
                for c in changed[:_SHOWN]
            ],
        )
    if len(changed) > _SHOWN:
        say(f"{len(changed) - _SHOWN} more classes change; --json has them all.")
    pays = found.pays
    say("No class pays." if pays is None else f"The class that pays most: {pays.label}.")
