"""`dpnp audit`: a data set's pictures through a bundle, and what was found as table, CSV, page."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from interpret.bundle.atomic_files import write_atomically
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.commands.console import show
from interpret.model.images import thumbnail
from interpret.model.predictor import Predictor
from interpret.report import audit_page
from interpret.report import html_page as web
from interpret.report.audit_page import Audited
from interpret.trust.audit import SIGNATURE, TITLES, Audit, audit, signature
from training.commands.measure import Source, load_pictures, predict_all
from training.data.datasets import Split

_COLUMNS = (
    "kind", "rank", "score", "split", "source", "label", "suggestion",
    "other_split", "other_source", "other_label",
)  # fmt: skip


def audit_data(path: Path, source: Source, page: Path | None, table: Path | None) -> Audit:
    """Audit every split of a data set; print the counts, write the page and the CSV asked for."""
    if page is not None:
        web.check_suffix(page)
    if table is not None and table.suffix.lower() != ".csv":
        raise DpnpError(f"{table}: a table is written as .csv")
    bundle = Bundle.load(path)
    pictures = load_pictures(bundle, source)
    predictor = Predictor(bundle)
    names = list(pictures.splits)
    predictions = [predict_all(predictor, pictures.splits[n], n) for n in names]
    whole = Audited(
        class_names=bundle.manifest.class_names,
        labels=np.concatenate([pictures.labels[n] for n in names]),
        splits=[n for n in names for _ in range(len(pictures.splits[n]))],
        sources=[s for n in names for s in pictures.splits[n].sources],
    )
    found = audit(
        np.concatenate([p.embedding for p in predictions]),
        np.concatenate([p.probabilities for p in predictions]),
        whole.labels,
        whole.splits,
        np.concatenate([_signatures(pictures.splits[n], n) for n in names]),
    )
    if table is not None:
        write_atomically(table, _csv(whole, found).encode())
    if page is not None:
        starts = np.cumsum([0, *(len(pictures.splits[n]) for n in names)])

        def picture(row: int) -> bytes:
            part = int(np.searchsorted(starts, row, side="right")) - 1
            return thumbnail(pictures.splits[names[part]].open_picture(row - int(starts[part])))

        title = f"{pictures.name} seen by {bundle.manifest.name}"
        web.write_page(page, audit_page.page(whole, found, title, picture))
    _print(whole, found, f"{pictures.name}: {len(whole.labels):,} pictures")
    return found


def _signatures(split: Split, title: str) -> NDArray[np.float32]:
    small = np.empty((len(split), SIGNATURE, SIGNATURE, 3), np.uint8)
    for i in range(len(split)):
        # A box filter: every pixel counts, so that a copy of another size looks the same.
        picture = split.open_picture(i).resize((SIGNATURE, SIGNATURE), Image.Resampling.BOX)
        small[i] = np.asarray(picture)
    return signature(small)


def _print(whole: Audited, found: Audit, title: str) -> None:
    table = Table(title=title, title_justify="left")
    table.caption = "findings, by the class of the picture"
    for heading in ("class", "pictures", *TITLES.values()):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for row in audit_page.per_class(whole, found):
        table.add_row(row.label, f"{row.pictures:,}", *(f"{count:,}" for count in row.counts))
    show(table)


def _csv(whole: Audited, found: Audit) -> str:
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
