"""The columns of answers in a table: their names and types, and a row for each picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from interpret.batch.answered import Answered
from interpret.batch.class_names import composed
from interpret.bundle.errors import ImageError
from interpret.bundle.gallery_table import pixel_hash
from interpret.model.picture_files import as_text

SOURCE, OWN_LABEL = "source", "own_label"
_SCHEMA = pa.schema(
    [
        (SOURCE, pa.string()),
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


class Extras(NamedTuple):
    """Columns on request, which make a gallery."""

    embeddings: bool = False
    thumbnails: bool = False


def schema(extras: Extras | None = None, dim: int = 0) -> pa.Schema:
    """The columns. With `extras`: the label that the source gives too, and what is asked for;
    embeddings are of `dim` numbers.
    """
    if extras is None:
        return _SCHEMA
    columns = [*_SCHEMA, pa.field(OWN_LABEL, pa.string())]
    if extras.embeddings:
        columns += [
            pa.field("embedding", pa.list_(pa.float32(), dim)),
            pa.field("pixels_sha256", pa.string()),
        ]
    if extras.thumbnails:
        columns.append(pa.field("thumbnail", pa.binary()))
    return pa.schema(columns)


def row(each: Answered) -> dict[str, Any]:
    """One picture's row of the columns that every table has."""
    answer = each.answer
    values: dict[str, Any] = dict.fromkeys(_SCHEMA.names)
    values[SOURCE] = as_text(each.picture.name)
    if isinstance(answer, ImageError):
        values["error"] = as_text(str(answer))
        return values
    return values | {
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


def batch_of(
    pictures: Sequence[Answered], wanted: pa.Schema, classes: Collection[str] = ()
) -> pa.RecordBatch:
    """The rows of some pictures. A label of their own counts when it is one of the `classes`."""
    base = pa.RecordBatch.from_pylist([row(each) for each in pictures], _SCHEMA)
    columns = {name: base.column(name) for name in _SCHEMA.names}
    if OWN_LABEL in wanted.names:
        own = [each.picture.label for each in pictures]
        found = [None if name is None else composed(name) for name in own]
        columns[OWN_LABEL] = pa.array([n if n in classes else None for n in found], pa.string())
    if "embedding" in wanted.names:
        columns["embedding"] = _embeddings(pictures, wanted.field("embedding").type.list_size)
        hashes = [None if each.pixels is None else pixel_hash(each.pixels) for each in pictures]
        columns["pixels_sha256"] = pa.array(hashes, pa.string())
    if "thumbnail" in wanted.names:
        columns["thumbnail"] = pa.array([each.thumbnail for each in pictures], pa.binary())
    return pa.RecordBatch.from_arrays([columns[name] for name in wanted.names], schema=wanted)


def _embeddings(pictures: Sequence[Answered], dim: int) -> pa.Array:
    values = np.zeros((len(pictures), dim), np.float32)
    missing = np.zeros(len(pictures), bool)
    for i, each in enumerate(pictures):
        if each.embedding is None:
            missing[i] = True
        else:
            values[i] = each.embedding
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), dim, mask=pa.array(missing))
