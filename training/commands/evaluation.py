"""What `dpnp evaluate` prints and draws of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interpret.bundle.bundle import Bundle
from interpret.commands.console import print_json
from interpret.figures.layout import save_figure
from training.commands.printed_tables import (
    print_faithfulness,
    print_metrics,
    print_novelty,
    print_verdicts,
)
from training.evaluate.accuracy import evaluate_accuracy
from training.evaluate.labelled import LabelledData
from training.evaluate.ood import evaluate_ood


def accuracy(bundle: Bundle, data: LabelledData, split: str, *, as_json: bool) -> None:
    """Accuracy, geometry and verdicts on a split."""
    metrics, scored = evaluate_accuracy(bundle, data, split)
    if as_json:
        print_json(metrics.model_dump())
        return
    print_metrics(metrics, f"{bundle.path} on {data.name}", *bundle.prototypes.shape)
    print_verdicts(scored, bundle.manifest)


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
