"""A data set's pictures through a bundle, and what an audit finds among them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.model.images import thumbnail
from interpret.model.predictor import concatenated
from interpret.model.progress import parallel_map
from interpret.report.audit_page import Audited
from interpret.trust.audit import TITLES, Audit, Finding, audit
from interpret.trust.copies import SIGNATURE, Looks, signature
from interpret.trust.suspects import PRECISION
from training.data.decisions import Decision
from training.data.splits import Split
from training.evaluate.embedder import Embedder
from training.evaluate.labelled import LabelledData

_SIDE = 256  # pixels of a picture on the page, at most: it can be enlarged
_COLUMNS = (
    "kind", "rank", "score", "split", "source", "label", "suggestion",
    "other_split", "other_source", "other_label", "likeness",
    "neighbours_of_label", "neighbours_of_suggestion",
    "distance_to_label", "distance_to_suggestion",
    "probe_of_label", "probe_of_suggestion", "classifier_of_label", "classifier_of_suggestion",
)  # fmt: skip


class AuditedData(NamedTuple):
    """All pictures of a data set, what was found among them, and a small version of any row."""

    whole: Audited
    found: Audit
    picture: Callable[[int], bytes]


def audit_data(
    bundle: Bundle,
    data: LabelledData,
    decisions: Sequence[Decision] = (),
    *,
    precision: float = PRECISION,
    embed: Embedder | None = None,
) -> AuditedData:
    """Audit every split of a data set, as the bundle's model sees it. What was decided already is
    not found again; `data` has obeyed it. `embed` as in `evaluate_accuracy`.
    """
    embed, names = embed or Embedder(bundle, data), list(data.splits)
    predictions = [embed(name)._replace(evidence=None) for name in names]
    whole = Audited(
        class_names=bundle.manifest.class_names,
        labels=np.concatenate([data.labels[n] for n in names]),
        splits=[n for n in names for _ in range(len(data.splits[n]))],
        sources=[s for n in names for s in data.splits[n].sources],
    )
    decided = {decision.source for decision in decisions}
    found = audit(
        concatenated(predictions),
        whole.labels,
        whole.splits,
        _looks([data.splits[n] for n in names]),
        settled=np.array([source in decided for source in whole.sources]),
        precision=precision,
    )
    starts = np.cumsum([0, *(len(data.splits[n]) for n in names)])

    def picture(row: int) -> bytes:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        opened = data.splits[names[part]].open_picture(row - int(starts[part]))
        return thumbnail(opened, _SIDE)

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
            start = [kind, rank, f"{f.score:.4f}", *own, suggestion]
            writer.writerow([*start, *pair, f.likeness or "", *_evidence(f)])
    return buffer.getvalue()


def _evidence(finding: Finding) -> list[str]:
    if finding.evidence is None:
        return [""] * 8
    return [f"{value:.5g}" for pair in finding.evidence for value in pair]


class _Look(NamedTuple):
    small: NDArray[np.uint8]  # (SIGNATURE, SIGNATURE, 3)
    pixels: bytes  # digest
    file: int | None  # digest


def _looks(splits: Sequence[Split]) -> Looks:
    found = [
        look
        for split in splits
        for look in parallel_map(_looker(split), range(len(split)), "comparing pictures")
    ]
    small = np.stack([look.small for look in found])
    return Looks(signature(small), [f.pixels for f in found], [f.file for f in found])


def _looker(split: Split) -> Callable[[int], _Look]:
    def look(row: int) -> _Look:
        picture = split.open_picture(row)
        digest = hashlib.blake2b(repr(picture.size).encode(), digest_size=16)
        digest.update(picture.tobytes())
        # A box filter: every pixel counts, so that a copy of another size looks the same.
        small = picture.resize((SIGNATURE, SIGNATURE), Image.Resampling.BOX)
        file = None if split.facts is None else int(split.facts.digests[row])
        return _Look(np.asarray(small, np.uint8), digest.digest(), file)

    return look
