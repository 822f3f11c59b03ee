"""What `dpnp evaluate` prints of labelled pictures, and the same classes as CSV."""

from __future__ import annotations

import csv
import io

from rich.table import Table

from interpret.bundle.manifest import ClassFigures
from interpret.commands.console import printable, say, show
from interpret.trust.evaluation import Evaluation

_CONFUSIONS = 5  # pairs that are named
_COLUMNS = ("class", "pictures", "answers", "recall", "precision", "f1")


def print_evaluation(found: Evaluation, title: str) -> None:
    """The figures of all pictures, then a row for each class, on stdout."""
    table = Table(title=printable(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in _rows(found).items():
        table.add_row(name, printable(value))
    show(table)
    _print_classes(found)
    if found.trained_on.any():
        say(
            f"{found.trained_on.sum():,} of these pictures were trained on: figures of them say "
            "little. --split test measures those that were kept apart in training."
        )


def classes_csv(found: Evaluation) -> str:
    """CSV with a line for each class of the bundle; a figure that there is none of is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for each in found.per_class:
        shares = ("" if v is None else f"{v:.4f}" for v in (each.recall, each.precision, each.f1))
        writer.writerow([each.label, each.examples, each.answers, *shares])
    return buffer.getvalue()


def _rows(found: Evaluation) -> dict[str, str]:
    metrics, (low, high) = found.metrics, found.interval
    rows = {
        f"accuracy ({metrics.split}, {metrics.examples:,} pictures)": f"{metrics.accuracy:.2%}; "
        f"95% interval {low:.2%} to {high:.2%}",
    }
    if found.trained_on.any():
        of_new = found.accuracy_of_new
        rows[f"of {(~found.trained_on).sum():,} not trained on"] = (
            "every one was" if of_new is None else f"{of_new:.2%}"
        )
    rows["always answering the largest class"] = f"{found.largest_class:.2%}"
    shares = ", ".join(f"{share:.2%}" for share in found.top.values())
    rows[", ".join(f"top-{k}" for k in found.top)] = shares
    rows |= {
        "balanced accuracy, macro F1": f"{metrics.balanced_accuracy:.2%}, {found.macro_f1:.2%}",
        "accuracy by nearest prototype": f"{metrics.accuracy_nearest_prototype:.2%}; "
        f"the two rules differ on {metrics.rules_disagree:,}",
        "expected calibration error": f"{metrics.expected_calibration_error:.4f}",
        "worst classes": ", ".join(f"{c.label} ({c.recall:.1%})" for c in found.worst) or "none",
        "most often confused": ", ".join(
            f"{pair.label} called {pair.answer} ({pair.examples:,})"
            for pair in found.confusions[:_CONFUSIONS]
        )
        or "none",
    }
    return rows


def _print_classes(found: Evaluation) -> None:
    """Classes with neither pictures nor answers are left out, and counted below."""
    table = Table()
    for heading in ("class", "pictures", "recall", "precision", "F1"):
        text = heading == "class"
        table.add_column(
            heading, justify="left" if text else "right", no_wrap=not text, overflow="fold"
        )
    shown = [each for each in found.per_class if each.examples or each.answers]
    for each in shown:
        table.add_row(printable(each.label), f"{each.examples:,}", *_shares(each))
    show(table)
    if absent := len(found.per_class) - len(shown):
        say(f"Neither pictures nor answers here: {absent:,} of the model's classes.")


def _shares(each: ClassFigures) -> list[str]:
    return ["" if v is None else f"{v:.1%}" for v in (each.recall, each.precision, each.f1)]
