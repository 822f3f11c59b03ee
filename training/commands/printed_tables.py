"""Figures as tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration, OutOfDistribution
from interpret.bundle.manifest import Metrics
from interpret.commands.console import say, show
from interpret.geometry.packing import widest_angle
from interpret.report.audit_page import Audited, per_class, suspects_told
from interpret.trust import ood_scores as novelty
from interpret.trust.audit import TITLES, Audit
from interpret.trust.groups import GroupShares
from interpret.trust.verdict import Verdict

if TYPE_CHECKING:  # they need torch and Captum
    from interpret.explain.faithfulness import Faithfulness
    from training.export.calibrate import Calibrated


def print_bundle(bundle: Bundle) -> None:
    """The figures of a bundle that was just written."""
    title = f"{bundle.path}  ({bundle.manifest.fingerprint[:12]})"
    print_metrics(bundle.manifest.metrics, title, *bundle.prototypes.shape)
    if bundle.manifest.calibration is not None:
        print_calibration(bundle.manifest.calibration, "calibration")


def print_metrics(metrics: Metrics, title: str, classes: int, dim: int) -> None:
    """A table of the figures, for `classes` prototypes in `dim` dimensions."""
    geometry = metrics.geometry
    table = Table(title=title, show_header=False, title_justify="left")
    limit = widest_angle(classes, dim)
    rows = {
        f"accuracy ({metrics.split}, {metrics.examples:,} pictures)": f"{metrics.accuracy:.2%}",
        "accuracy by nearest prototype": f"{metrics.accuracy_nearest_prototype:.2%}",
        "pictures on which the two rules differ": f"{metrics.rules_disagree}",
        "expected calibration error": f"{metrics.expected_calibration_error:.4f}",
        "MinSep, MeanSep, Std": f"{geometry.min_sep_deg:.2f}°, {geometry.mean_sep_deg:.2f}°, "
        f"{geometry.std_deg:.2f}°",
        "widest MinSep possible": f"{limit.degrees:.2f}° ({limit.source})" if limit else "unknown",
        f"mean intra-class angle ({geometry.split})": f"{geometry.intra_class_angle_deg:.2f}°",
        f"separation to compactness ratio ({geometry.split})": f"{geometry.scr:.2f}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    show(table)


def print_verdicts(verdicts: Sequence[Verdict], right: NDArray[np.bool_]) -> None:
    """How often each verdict is given, and how often the answer is right then."""
    given = np.array(verdicts)
    table = Table()
    for heading in ("verdict", "answers", "right"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for name in ("accept", "ambiguous", "none_of_these"):
        own = given == name
        accuracy = f"{right[own].mean():.2%}" if own.any() else ""
        table.add_row(name, f"{own.mean():.1%}", accuracy)
    show(table)


def print_groups(found: GroupShares) -> None:
    """How much of what is not accepted still gets a group of classes, and how often that holds."""
    if not found.grouped:
        return
    say(
        f"{found.grouped:,} of {found.not_accepted:,} answers that are not accepted get a group of "
        f"classes ({found.grouped / found.not_accepted:.1%}); {found.right / found.grouped:.2%} of "
        "the groups hold their picture's class"
    )


def print_calibration(found: Calibration, title: str) -> None:
    """A table of what a calibration achieves, on stdout."""
    table = Table(title=title, show_header=False, title_justify="left")
    before, after = found.expected_calibration_error_before, found.expected_calibration_error
    accuracy = found.accuracy_of_accepted
    rows = {
        "held-out pictures": f"{found.examples:,} of {found.split}",
        "coverage, stated": f"{found.coverage:.1%}",
        "coverage, measured on other halves": f"{found.measured_coverage:.1%}",
        "answers accepted": f"{found.accepted:.1%}",
        "accuracy of those": "none is" if accuracy is None else f"{accuracy:.2%}",
        "temperature": f"{found.temperature:.3f}",
        "expected calibration error": f"{before:.4f} before, {after:.4f} with the temperature",
        "classes with too few pictures": _named(found.pooled, len(found.max_distance)),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    show(table)
    print_novelty(found.out_of_distribution)


def print_calibrated(done: Calibrated) -> None:
    """What a calibration achieves, and how its limits fare on another split, if there is one."""
    bundle, trial, found = done.bundle, done.trial, done.bundle.manifest.calibration
    assert found is not None
    print_calibration(found, f"{bundle.path}  ({bundle.manifest.fingerprint[:12]})")
    if trial is not None:
        print(
            f"on {trial.examples:,} pictures of {trial.split}: {trial.kept:.1%} keep their class "
            f"({found.coverage:.1%} stated), {trial.accepted:.1%} are accepted"
        )


def print_quantization(bundle: Bundle) -> None:
    """How an INT8 bundle that was just written stands against the fp32 one."""
    certificate, accuracy = bundle.manifest.quantization, bundle.manifest.metrics.accuracy
    assert certificate is not None
    table = Table(title=f"INT8 against fp32 on {certificate.split}", show_header=False)
    before = accuracy - certificate.accuracy_difference
    rows = {
        "accuracy": f"{accuracy:.2%} (fp32 {before:.2%})",
        "same answer": f"{certificate.argmax_agreement:.2%} of {certificate.examples:,}",
        "distances off by, on average": f"{certificate.distance_error:.2%}",
        "nearest training images that are the same": f"{certificate.neighbour_overlap:.1%}",
        "mean of the evidence off the embedding by": f"{certificate.evidence_error:.1e}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    show(table)


def print_audit(whole: Audited, found: Audit, title: str) -> None:
    """A table on stdout of the findings by class, and how sure the suspects are."""
    table = Table(title=title, title_justify="left")
    table.caption = "findings, by the class of the picture"
    for heading in ("class", "pictures", *TITLES.values()):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for row in per_class(whole, found):
        table.add_row(row.label, f"{row.pictures:,}", *(f"{count:,}" for count in row.counts))
    show(table)
    say(f"suspect labels: {suspects_told(found)}")


def _named(classes: Sequence[str], of: int) -> str:
    """The names of a few, the number of many."""
    if len(classes) > 10:
        return f"{len(classes)} of {of}"
    return ", ".join(classes) or "none"


def print_novelty(found: Sequence[OutOfDistribution]) -> None:
    """A table on stdout: a row for each score and verdict, a column for each set of pictures."""
    if not found:
        return
    table = Table(
        title="strange pictures: by each score AUROC, AUPR and the share that passes where 95 % of "
        "the own pictures do; then their verdicts",
        title_justify="left",
    )
    table.add_column("score")
    for column in found:
        table.add_column(f"{column.data} ({column.examples:,})", justify="right")
    for score in found[0].auroc:
        rival = " (rival)" if score in novelty.RIVALS else ""
        table.add_row(score + rival, *(_told(column, score) for column in found))
    table.add_section()
    for name in found[0].verdicts or {}:
        table.add_row(name, *(f"{(column.verdicts or {})[name]:.1%}" for column in found))
    show(table)


def _told(found: OutOfDistribution, score: str) -> str:
    more = ""
    if found.average_precision is not None and found.passed is not None:
        more = f" {found.average_precision[score]:.3f} {found.passed[score]:6.1%}"
    return f"{found.auroc[score]:.3f}{more}"


def print_faithfulness(found: Sequence[Faithfulness], title: str) -> None:
    """A table on stdout; see interpret.explain.faithfulness for what the figures are."""
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    for heading in ("deletion ↓", "insertion ↑", "ROAD ↑", "infidelity ↓", "sensitivity ↓"):
        table.add_column(heading, justify="right")
    table.add_column("completeness error", justify="right")
    for heading in ("sanity → 0", "ms"):
        table.add_column(heading, justify="right")
    for each in found:
        missing = "" if each.completeness is None else f"{each.completeness:.2g}"
        figures = (each.deletion, each.insertion, each.road, each.infidelity, each.sensitivity)
        table.add_row(
            each.method,
            *(f"{figure:.3f}" for figure in figures),
            missing,
            f"{each.sanity:.3f}",
            f"{each.milliseconds:.1f}",
        )
    show(table)
