"""The end of a training run, printed for a person: how good the model is, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration, Confusion
from interpret.bundle.manifest import ClassFigures
from interpret.commands.console import printable, say, show
from training.commands.printed_tables import print_bundle
from training.evaluate.label_suspects import Suspects
from training.evaluate.summary import Summary


def print_summary(summary: Summary, bundle: Bundle, *, verbose: bool) -> None:
    """The figures, what they mean, and commands ready to copy; with `verbose` the geometry and
    the calibration too.
    """
    if verbose:
        print_bundle(bundle)
    table = Table(title=_title(summary), title_justify="left", show_header=False)
    table.add_column(no_wrap=False)
    table.add_column(overflow="fold")
    for name, value in _rows(summary).items():
        table.add_row(name, printable(value))
    show(table)
    for sentence in summary.diagnosis.sentences:
        say(sentence)
    say("")
    say("Next:")
    for command in summary.next_commands:
        say(f"  {command}", wrap=False)


def _title(summary: Summary) -> str:
    parts = ", ".join(f"{count:,} {name}" for name, count in summary.pictures.items())
    bundle = f"{summary.path}  ({summary.fingerprint[:12]})"
    return printable(f"{bundle}: {summary.classes} classes, pictures: {parts}")


def _rows(summary: Summary) -> dict[str, str]:
    low, high = summary.interval
    train = f"{summary.train_accuracy:.1%}"
    if summary.valid_accuracy is not None:
        train += f"; of the valid split {summary.valid_accuracy:.1%}"
    rows = {
        f"accuracy ({summary.split}, {summary.examples:,} pictures)": f"{summary.accuracy:.1%}; "
        f"95% interval {low:.1%} to {high:.1%}",
        "guessing": f"{summary.largest_class:.1%} by the largest class, {summary.uniform:.1%} "
        f"by chance (1 of {summary.classes})",
        "accuracy of the training pictures": train,
    }
    if summary.balanced_accuracy is not None:
        rows["balanced accuracy"] = (
            f"{summary.balanced_accuracy:.1%}, the mean over classes; the largest has "
            f"{summary.imbalance:.1f} times the pictures of the smallest"
        )
    rows["weakest classes"] = _weakest(summary.weakest)
    rows["most often confused"] = _confused(summary.confusions)
    rows["suspect labels"] = _suspects(summary.suspects)
    rows["verdicts"] = _verdicts(summary.calibration)
    return rows


def _weakest(classes: Sequence[ClassFigures]) -> str:
    """Recall and pictures of each."""
    return (
        ", ".join(f"{each.label} ({each.recall:.0%} of {each.examples:,})" for each in classes)
        or "none: every picture is right"
    )


def _confused(pairs: Sequence[Confusion]) -> str:
    return (
        ", ".join(f"{pair.label} called {pair.answer} ({pair.examples:,})" for pair in pairs)
        or "none"
    )


def _suspects(found: Suspects) -> str:
    if found.number is None:
        return f"not counted: {found.why}"
    return f"{found.number:,}; dpnp audit shows them" if found.number else "none"


def _verdicts(found: Calibration | None) -> str:
    if found is None:
        return "not calibrated: that takes a valid split with more pictures, or dpnp calibrate"
    right = found.accuracy_of_accepted
    return (
        f"{found.accepted:.1%} of answers accepted"
        + ("" if right is None else f", {right:.1%} of those right")
        + f"; {found.measured_coverage:.1%} of pictures keep their class, "
        f"{found.coverage:.0%} were stated"
    )
