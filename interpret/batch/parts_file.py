"""The parts of a job's source on disk: one record batch each, so that any is read alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from interpret.batch.sources import Part

_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("place", pa.binary()),  # a path's bytes need not be text
        ("label", pa.string()),
        ("first", pa.int64()),
        ("count", pa.int64()),
        ("classes", pa.binary()),
    ]
)


def write_parts(path: Path, parts: Sequence[Part]) -> None:
    """Write the parts of a source. Raises OSError."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
        for part in parts:
            places = [os.fsencode(place) for place in part.places]
            rows = len(places)
            classes = None if part.classes is None else os.fsencode(part.classes)
            columns = [
                [part.kind] * rows,
                places,
                list(part.labels) or [None] * rows,
                [part.first] * rows,
                [part.count] * rows,
                [classes] * rows,
            ]
            arrays = [pa.array(c, kind) for c, kind in zip(columns, _SCHEMA.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))


def read_part(path: Path, number: int) -> Part:
    """One part. Raises OSError."""
    with pa.OSFile(str(path)) as file:
        rows = pa.ipc.open_file(file).get_batch(number).to_pylist()
    first = rows[0]
    classes = first.get("classes")  # not in jobs of before it was written
    return Part(
        first["kind"],
        tuple(os.fsdecode(row["place"]) for row in rows),
        tuple(row["label"] for row in rows) if first["kind"] == "files" else (),
        first["first"],
        first["count"],
        None if classes is None else os.fsdecode(classes),
    )
