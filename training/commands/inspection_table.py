"""A data set before training, as tables on stdout."""

from __future__ import annotations

from rich.table import Table

from interpret.commands.console import say, show
from training.data.inspection import Inspection, Spread

CLASSES = 20  # classes with a row of their own


def print_inspection(found: Inspection) -> None:
    """The classes with their pictures, then sizes, balance, copies and what was left out.

    Of data that does not lie in files only a line is printed.
    """
    if found.sizes is None:
        counts = ", ".join(f"{sum(own):,} {split}" for split, own in found.counts.items())
        say(f"{found.name}: {len(found.class_names)} classes; pictures: {counts}")
        return
    say(f"{found.name}: pictures by class")
    show(_classes(found))
    show(_facts(found))


def _classes(found: Inspection) -> Table:
    table = Table()
    table.add_column("class", overflow="fold")
    for split in found.counts:
        table.add_column(split, justify="right")
    shown = len(found.class_names) if len(found.class_names) <= CLASSES + 1 else CLASSES
    for label, name in enumerate(found.class_names[:shown]):
        table.add_row(name, *(f"{own[label]:,}" for own in found.counts.values()))
    if more := len(found.class_names) - shown:
        table.add_row(f"and {more:,} more", *(f"{sum(c[shown:]):,}" for c in found.counts.values()))
    table.add_section()
    table.add_row(
        f"{len(found.class_names):,} classes", *(f"{sum(own):,}" for own in found.counts.values())
    )
    return table


def _facts(found: Inspection) -> Table:
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    assert found.sizes is not None
    table.add_row("shorter side, pixels", _spread(found.sizes.shorter, ",.0f"))
    table.add_row("longer side, pixels", _spread(found.sizes.longer, ",.0f"))
    table.add_row("width ÷ height", _spread(found.sizes.aspect, ".2f"))
    if counts := found.counts.get("train"):
        table.add_row(
            "largest ÷ smallest class to train on",
            f"{found.imbalance:.1f} ({max(counts):,} and {min(counts):,} pictures)",
        )
    table.add_row("same file in several splits", str(found.copies_across_splits))
    table.add_row("same file in several classes", str(found.copies_across_classes))
    if not found.left_out:
        table.add_row("left out", "none: every file is used")
    for reason, files in found.left_out.items():
        table.add_row(f"left out, {reason}", str(files))
    for note in found.notes:
        table.add_row("note", note)
    return table


def _spread(values: Spread, form: str) -> str:
    least, median, most = (format(v, form) for v in (values.least, values.median, values.most))
    return least if least == most else f"{least} to {most}, half of them below {median}"
