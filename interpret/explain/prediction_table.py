"""Answers for many pictures: folders in, a table on disk out, in bounded memory."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interpret.bundle.errors import DpnpError, ImageError
from interpret.bundle.file_suffixes import SUFFIXES, check_suffix
from interpret.explain.answers import Classification
from interpret.explain.explainer import BATCH, Explainer
from interpret.model.devices import cpu_count
from interpret.model.images import open_image
from interpret.model.picture_files import pictures_in
from interpret.model.progress import progress

_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("verdict", pa.string()),
        ("distance", pa.float64()),
        ("negative", pa.string()),
        ("negative_distance", pa.float64()),
        ("margin", pa.float64()),
        ("novelty", pa.float64()),
        ("max_distance", pa.float64()),
        ("min_margin", pa.float64()),
        ("group", pa.string()),
        ("error", pa.string()),
    ]
)


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """The files in `paths`, and all pictures below its folders, by suffix, in order."""
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = pictures_in(path)
        if not inside:
            suffixes = ", ".join(SUFFIXES["pictures"])
            raise DpnpError(f"{path}: no pictures in this folder ({suffixes})")
        found += inside
    return found


def classify_files(
    explainer: Explainer, files: Sequence[Path]
) -> Iterator[tuple[Path, Classification | ImageError]]:
    """The answer for each file, or why it cannot be read; BATCH of them at a time."""

    def read(file: Path) -> NDArray[np.uint8] | ImageError:
        try:
            return explainer.preprocessing(open_image(file))
        except ImageError as error:
            return error

    with ThreadPoolExecutor(cpu_count()) as pool:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            pixels = list(pool.map(read, batch))
            good = [p for p in pixels if not isinstance(p, ImageError)]
            answers = iter(explainer.classify(np.stack(good)) if good else [])
            for file, picture in zip(batch, pixels, strict=True):
                yield file, picture if isinstance(picture, ImageError) else next(answers)


def write_predictions(explainer: Explainer, files: Sequence[Path], out: Path) -> int:
    """Write a table of the answers to `out`, .parquet or .csv; returns how many files are bad.

    A picture that cannot be read has a row too, with its error. The table appears whole at the
    end or not at all. Raises DpnpError when it cannot be written.
    """
    check_suffix(out, "tables")
    try:
        return _write(explainer, files, out)
    except OSError as error:
        raise DpnpError(f"{out} cannot be written: {error.strerror or error}") from error


def _write(explainer: Explainer, files: Sequence[Path], out: Path) -> int:
    bad, rows = 0, []
    with _table(out) as write, progress() as bar:
        task = bar.add_task("pictures", total=len(files))
        for file, answer in classify_files(explainer, files):
            bad += isinstance(answer, ImageError)
            rows.append(_row(file, answer))
            if len(rows) == BATCH:
                write(rows)
                bar.advance(task, len(rows))
                rows = []
        write(rows)
    return bad


def _row(file: Path, answer: Classification | ImageError) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_SCHEMA.names)
    row["file"] = str(file).encode(errors="replace").decode()
    if isinstance(answer, ImageError):
        row["error"] = str(answer).encode(errors="replace").decode()
        return row
    return row | {
        "label": answer.label,
        "probability": answer.probability,
        "verdict": answer.verdict,
        "group": None if answer.group is None else answer.group.name,
        "distance": answer.positive.distance,
        "negative": answer.negative.label,
        "negative_distance": answer.negative.distance,
        "margin": answer.margin,
        "novelty": answer.novelty,
        "max_distance": answer.limits.max_distance,
        "min_margin": answer.limits.min_margin,
    }


@contextmanager
def _table(out: Path) -> Iterator[Any]:
    """A function that appends rows. The file appears at `out` at the end, unless an error came."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}-{secrets.token_hex(8)}")
    try:
        if out.suffix.lower() == ".parquet":
            with pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
                yield lambda rows: writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
        else:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, _SCHEMA.names)
                table.writeheader()
                yield table.writerows
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)  # still there only after an error
