"""A data set's pictures through a bundle, and what an audit finds among them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.model.images import thumbnail
from interpret.report.audit_page import Audited
from interpret.trust.audit import SIGNATURE, TITLES, Audit, audit, signature
from training.data.splits import Split
from training.evaluate.embedder import Embedder
from training.evaluate.labelled import LabelledData

_COLUMNS = (
    "kind", "rank", "score", "split", "source", "label", "suggestion",
    "other_split", "other_source", "other_label",
)  # fmt: skip


class AuditedData(NamedTuple):
    """All pictures of a data set, what was found among them, and a thumbnail of any row."""

    whole: Audited
    found: Audit
    picture: Callable[[int], bytes]


def audit_data(bundle: Bundle, data: LabelledData, embed: Embedder | None = None) -> AuditedData:
    """Audit every split of a data set, as the bundle's model sees it. `embed` as in
    `evaluate_accuracy`.
    """
    embed, names = embed or Embedder(bundle, data), list(data.splits)
    predictions = [embed(name) for name in names]
    whole = Audited(
        class_names=bundle.manifest.class_names,
        labels=np.concatenate([data.labels[n] for n in names]),
        splits=[n for n in names for _ in range(len(data.splits[n]))],
        sources=[s for n in names for s in data.splits[n].sources],
    )
    found = audit(
        np.concatenate([p.embedding for p in predictions]),
        np.concatenate([p.probabilities for p in predictions]),
        whole.labels,
        whole.splits,
        np.concatenate([_signatures(data.splits[n]) for n in names]),
    )
    starts = np.cumsum([0, *(len(data.splits[n]) for n in names)])

    def picture(row: int) -> bytes:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        return thumbnail(data.splits[names[part]].open_picture(row - int(starts[part])))

    return AuditedData(whole, found, picture)


def findings_csv(whole: Audited, found: Audit) -> str:
    """CSV with a line for each finding, those of a kind by rank."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    names = whole.class_names
    for kind in TITLES:
        for rank, f in enumerate(found.of(kind), 1):
            pair = ["", "", ""]
            if f.other is not None:
                other = f.other
                pair = [whole.splits[other], whole.sources[other], names[whole.labels[other]]]
            suggestion = "" if f.suggestion is None else names[f.suggestion]
            own = [whole.splits[f.row], whole.sources[f.row], names[whole.labels[f.row]]]
            writer.writerow([kind, rank, f"{f.score:.4f}", *own, suggestion, *pair])
    return buffer.getvalue()


def _signatures(split: Split) -> NDArray[np.float32]:
    small = np.empty((len(split), SIGNATURE, SIGNATURE, 3), np.uint8)
    for i in range(len(split)):
        # A box filter: every pixel counts, so that a copy of another size looks the same.
        picture = split.open_picture(i).resize((SIGNATURE, SIGNATURE), Image.Resampling.BOX)
        small[i] = np.asarray(picture)
    return signature(small)
