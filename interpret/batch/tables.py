"""One table of answers, .parquet or .csv, for as many pictures as one machine answers in a go."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from interpret.batch.answered import Answered, answered
from interpret.batch.columns import batch_of, schema
from interpret.batch.contents import pictures_of
from interpret.batch.sources import Listing
from interpret.bundle.errors import DpnpError, ImageError
from interpret.bundle.file_suffixes import check_suffix
from interpret.explain.explainer import BATCH, Explainer
from interpret.model.progress import progress


class Written(NamedTuple):
    """How many pictures a table has, and how many of them could not be read."""

    pictures: int
    unreadable: int


def answers_to(explainer: Explainer, listing: Listing) -> Iterator[Answered]:
    """The answers to all pictures of a source, in order."""
    return answered(explainer, chain.from_iterable(map(pictures_of, listing.parts)))


def write_table(explainer: Explainer, listing: Listing, out: Path) -> Written:
    """Write a table of the answers to `out`.

    A picture that cannot be read has a row too, with its error. The table appears whole at the
    end or not at all. Raises DpnpError when it cannot be written.
    """
    check_suffix(out, "tables")
    try:
        return _write(explainer, listing, out)
    except OSError as error:
        raise DpnpError(f"{out} cannot be written: {error.strerror or error}") from error


def _write(explainer: Explainer, listing: Listing, out: Path) -> Written:
    pictures = unreadable = 0
    rows: list[Answered] = []
    with _table(out) as write, progress() as bar:
        task = bar.add_task("pictures", total=listing.pictures)
        for each in answers_to(explainer, listing):
            pictures += 1
            unreadable += isinstance(each.answer, ImageError)
            rows.append(each)
            if len(rows) == BATCH:
                write(batch_of(rows, schema()))
                bar.advance(task, len(rows))
                rows = []
        write(batch_of(rows, schema()))
    return Written(pictures, unreadable)


@contextmanager
def _table(out: Path) -> Iterator[Callable[[pa.RecordBatch], object]]:
    """A function that appends rows. The file appears at `out` at the end, unless an error came."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}-{secrets.token_hex(8)}")
    try:
        if out.suffix.lower() == ".parquet":
            with pq.ParquetWriter(temporary, schema(), compression="zstd") as writer:
                yield writer.write_batch
        else:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, schema().names)
                table.writeheader()
                yield lambda batch: table.writerows(batch.to_pylist())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)  # still there only after an error
