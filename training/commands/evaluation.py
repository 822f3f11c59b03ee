"""What `dpnp evaluate` prints and draws of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interpret.bundle.atomic_files import write_atomically
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.bundle.file_suffixes import check_suffix
from interpret.commands.console import print_json
from interpret.figures.confusion_matrix import confusion_figure
from interpret.figures.layout import save_figure
from interpret.model.images import thumbnail
from interpret.report.evaluation_page import evaluation_page
from interpret.report.html_page import write_page
from training.commands.printed_evaluation import classes_csv, print_evaluation
from training.commands.printed_tables import (
    print_faithfulness,
    print_groups,
    print_metrics,
    print_novelty,
    print_verdicts,
)
from training.evaluate.accuracy import evaluate_accuracy
from training.evaluate.embedder import Embedder
from training.evaluate.labelled import LabelledData
from training.evaluate.ood import evaluate_ood


@dataclass(frozen=True)
class Outputs:
    """Files that `dpnp evaluate` writes beside what it prints; None: not asked for."""

    confusion: Path | None = None  # the confusion matrix as a picture
    csv: Path | None = None  # the table of classes
    html: Path | None = None  # everything on one page

    def check(self) -> None:
        """Raise DpnpError for a file of a kind that is not written, before the work."""
        if self.confusion is not None:
            check_suffix(self.confusion, "figures")
        if self.csv is not None:
            check_suffix(self.csv, "plain tables")
        if self.html is not None:
            check_suffix(self.html, "pages")

    def given(self) -> list[str]:
        """The options that were given."""
        return [f"--{name}" for name, path in vars(self).items() if path is not None]


def check_choice(
    outputs: Outputs,
    *,
    explanations: bool,
    ood: bool,
    pictures: int | None,
    out: Path | None,
    answers: Path | None,
) -> None:
    """Raise DpnpError for options of `dpnp evaluate` that do not go together."""
    if explanations and ood:
        raise DpnpError("--ood and --explanations: give one of them, each measures its own figures")
    for option, value in (("--out", out), ("--pictures", pictures)):
        if value is not None and not explanations:
            raise DpnpError(f"{option}: belongs to --explanations, which is not given")
    given = outputs.given() + ["--from"] * (answers is not None)
    if (explanations or ood) and given:
        other = "--explanations" if explanations else "--ood"
        raise DpnpError(f"{given[0]} and {other}: give one of them")


def accuracy(
    bundle: Bundle,
    data: LabelledData,
    split: str,
    outputs: Outputs,
    embed: Embedder,
    *,
    as_json: bool,
    verbose: bool,
) -> None:
    """Accuracy, classes, confusions and verdicts on a split."""
    found = evaluate_accuracy(bundle, data, split, embed)
    title, pictures = f"{bundle.path} on {data.name}", data.splits[split]
    if outputs.confusion is not None:
        save_figure(confusion_figure(found.matrix, found.class_names), outputs.confusion)
    if outputs.csv is not None:
        write_atomically(outputs.csv, classes_csv(found).encode())
    if outputs.html is not None:
        page = evaluation_page(
            found, title, pictures.sources, lambda row: thumbnail(pictures.open_picture(row))
        )
        write_page(outputs.html, page)
    if as_json:
        print_json(found.document())
        return
    print_evaluation(found, title)
    print_verdicts(found.verdicts, found.scored.right)
    if found.groups is not None:
        print_groups(found.groups)
    if verbose:
        print_metrics(found.metrics, title, *bundle.prototypes.shape)


def ood(
    bundle: Bundle, data: LabelledData, split: str, folders: Sequence[str], *, as_json: bool
) -> None:
    """How well each score tells pictures of no class from a split."""
    found = evaluate_ood(bundle, data, split, folders)
    if as_json:
        print_json([each.model_dump() for each in found])
    else:
        print_novelty(found)


def explanations(
    bundle: Bundle,
    data: LabelledData,
    split: str,
    count: int,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """How faithful every attribution method is on some pictures of a split; its curves drawn."""
    from interpret.figures.faithfulness_figure import faithfulness_figure
    from training.evaluate.explanations import evaluate_explanations

    found = evaluate_explanations(bundle, data, split, count)
    pictures = min(count, len(data.splits[split]))
    if out is not None:
        save_figure(faithfulness_figure(found, pictures), out)
    if as_json:
        print_json([{k: v for k, v in vars(each).items() if k != "curves"} for each in found])
    else:
        print_faithfulness(found, f"{bundle.path}: {pictures:,} pictures of {data.name}")
