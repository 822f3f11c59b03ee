"""The findings of an audit: counts by class, and a self-contained page with the pictures, which
takes decisions (keep, relabel, drop) and saves them as CSV or JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.model.picture_formats import data_uri
from interpret.report import html_page as web
from interpret.trust.audit import TITLES, Audit, Finding, Kind
from interpret.trust.suspects import Evidence

MOST = 120  # findings of a kind with their pictures; the CSV has them all
_WHAT: dict[Kind, str] = {
    "label": "The classifier, a linear probe on the other folds and the nearest other pictures "
    "together prefer another class. The percentage is the probability that the label is wrong, "
    "highest first.",
    "leak": "The same picture, or nearly, in two splits: a model was trained on a picture that it "
    "is measured on. The number is the correlation of the two.",
    "duplicate": "The same picture, or nearly, twice in one split. If the labels differ, one is "
    "wrong.",
    "outlier": "Farther from all other pictures than is usual in its class: perhaps of something "
    "else, or badly cropped. The score is in robust standard deviations.",
}


@dataclass(frozen=True)
class Audited:
    """The pictures of an audit: labels (N,), the split and the source of each."""

    class_names: Sequence[str]
    labels: NDArray[np.int64]
    splits: Sequence[str]
    sources: Sequence[str]


class ClassRow(NamedTuple):
    """A class's pictures and findings, in the order of `audit.TITLES`."""

    label: str
    pictures: int
    counts: list[int]


class Reason(NamedTuple):
    """A sentence of evidence, and whether it speaks for the label."""

    for_label: bool
    text: str


def per_class(whole: Audited, found: Audit) -> list[ClassRow]:
    """A row for each class that has pictures; a pair counts for the class of its first."""
    classes = len(whole.class_names)
    counts = np.stack(
        [
            np.bincount([whole.labels[f.row] for f in found.of(kind)] or [0], minlength=classes)
            * bool(found.of(kind))
            for kind in TITLES
        ],
        axis=1,
    )
    pictures = np.bincount(whole.labels, minlength=classes)
    return [
        ClassRow(whole.class_names[c], int(pictures[c]), counts[c].tolist())
        for c in np.flatnonzero(pictures).tolist()
    ]


def suspects_told(found: Audit) -> str:
    """How many labels are named and how many of them are expected to be wrong, or why none is."""
    told = f"The model is right on {found.accuracy:.1%} of the labels that it has not seen."
    if found.why:
        return f"No label is named: {found.why}."
    if found.expected is None:
        return f"No label is named. {told}"
    return (
        f"{len(found.of('label')):,} named, of which {found.expected:.0%} are expected to be wrong "
        f"labels. {told}"
    )


def reasons(evidence: Evidence, label: str, other: str) -> list[Reason]:
    """The evidence on a label, a sentence each: neighbours, prototypes, probe, classifier."""
    (own, others), (near, far) = evidence.neighbours, evidence.distances
    probe, classifier = evidence.probe, evidence.classifier
    return [
        Reason(own > others, f"nearest pictures: {others} are {other}, {own} {label}"),
        Reason(near < far, f"distance to {other} {far:.1f}, to {label} {near:.1f}"),
        Reason(probe[0] > probe[1], f"probe: {other} {probe[1]:.0%}, {label} {probe[0]:.0%}"),
        Reason(
            classifier[0] > classifier[1],
            f"classifier: {other} {classifier[1]:.0%}, {label} {classifier[0]:.0%}",
        ),
    ]


def page(
    whole: Audited,
    found: Audit,
    title: str,
    picture: Callable[[int], bytes],
    decisions: Sequence[Mapping[str, object]] = (),
) -> str:
    """The page. `picture` gives a small version of a row, encoded. `decisions` are earlier ones:
    the file that the page saves has them too.
    """
    sections = [
        {
            "kind": kind,
            "title": name,
            "what": _WHAT[kind],
            "told": suspects_told(found) if kind == "label" else "",
            "total": len(found.of(kind)),
            "entries": [_entry(whole, each, picture) for each in found.of(kind)[:MOST]],
        }
        for kind, name in TITLES.items()
    ]
    return web.render(
        "audit.html",
        title=title,
        total=len(whole.labels),
        sections=sections,
        classes=per_class(whole, found),
        class_names=list(whole.class_names),
        headings=list(TITLES.values()),
        decisions=list(decisions),
    )


def _entry(whole: Audited, finding: Finding, picture: Callable[[int], bytes]) -> dict[str, object]:
    names, rows = whole.class_names, [finding.row]
    rows += [] if finding.other is None else [finding.other]
    suggestion = None if finding.suggestion is None else names[finding.suggestion]
    pictures = [
        {
            "image": data_uri(picture(row)),
            "label": names[whole.labels[row]],
            "split": whole.splits[row],
            "source": whole.sources[row],
        }
        for row in rows
    ]
    return {
        "score": f"{finding.score:.1%} wrong" if suggestion else f"{finding.score:.3f}",
        "probability": f"{finding.score:.4f}" if suggestion else "",
        "pictures": pictures,
        "suggestion": suggestion,
        "likeness": finding.likeness or "",
        "reasons": []
        if finding.evidence is None or suggestion is None
        else reasons(finding.evidence, pictures[0]["label"], suggestion),
    }
