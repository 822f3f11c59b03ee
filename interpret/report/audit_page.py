"""The findings of an audit: counts by class, and a self-contained page with the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.model.picture_formats import data_uri
from interpret.report import html_page as web
from interpret.trust.audit import TITLES, Audit, Finding, Kind

MOST = 120  # findings of a kind with their pictures; the CSV has them all
_WHAT: dict[Kind, str] = {
    "label": "The classifier, a linear probe on the other folds and the nearest other pictures "
    "together prefer another class. The score is the probability that the label is wrong, highest "
    "first.",
    "leak": "Nearly the same picture in two splits: a model was trained on a picture that it is "
    "measured on. The score is the correlation of the two.",
    "duplicate": "Nearly the same picture twice in one split. If the labels differ, one is wrong.",
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


def page(whole: Audited, found: Audit, title: str, picture: Callable[[int], bytes]) -> str:
    """The page. `picture` gives the thumbnail of a row, encoded."""

    def shown(row: int) -> dict[str, str]:
        return {
            "image": data_uri(picture(row)),
            "label": whole.class_names[whole.labels[row]],
            "source": f"{whole.splits[row]} · {whole.sources[row]}",
        }

    def entry(finding: Finding) -> dict[str, object]:
        return {
            "score": f"{finding.score:.3f}",
            "pictures": [shown(r) for r in (finding.row, finding.other) if r is not None],
            "suggestion": None
            if finding.suggestion is None
            else whole.class_names[finding.suggestion],
        }

    sections = [
        {
            "kind": kind,
            "title": name,
            "what": _WHAT[kind],
            "total": len(found.of(kind)),
            "entries": [entry(finding) for finding in found.of(kind)[:MOST]],
        }
        for kind, name in TITLES.items()
    ]
    return web.render(
        "audit.html",
        title=title,
        total=len(whole.labels),
        sections=sections,
        classes=per_class(whole, found),
        headings=list(TITLES.values()),
    )
