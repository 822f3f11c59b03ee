"""Which columns of a Parquet file are pictures, their names and their labels; what labels say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pyarrow as pa

from interpret.batch.class_names import composed
from interpret.bundle.errors import DpnpError

_BYTES = ("image", "bytes", "picture", "content", "jpg", "jpeg", "png", "webp")
_PATHS = ("path", "file", "uri", "url", "image", "source")
_NAMES = ("source", "path", "file", "key", "__key__", "id")
LABELS = ("label", "labels", "class", "cls")  # text or integers; the first that is there


class PictureColumns(NamedTuple):
    """The columns to read. A `struct` of bytes and path is how the `datasets` library stores."""

    holds: Literal["bytes", "paths"]
    picture: str
    struct: bool = False
    name: str | None = None
    label: str | None = None


def picture_columns(place: str, schema: pa.Schema) -> PictureColumns:
    """Choose by names and types. Raises DpnpError that lists the names that would do."""
    kinds = {field.name: field.type for field in schema}
    label = next((name for name in LABELS if name in kinds), None)
    if label is not None and not _is_label(kinds[label]):
        label = None
    for name in _BYTES:
        kind = kinds.get(name)
        if kind is None:
            continue
        struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        if struct:
            kind = kind.field("bytes").type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            names = [n for n in _NAMES if n in kinds and n != name]
            return PictureColumns("bytes", name, struct, names[0] if names else None, label)
    for name in _PATHS:
        if name in kinds and _is_text(kinds[name]):
            return PictureColumns("paths", name, label=label)
    raise DpnpError(
        f"{place}: no column of pictures: neither bytes ({', '.join(_BYTES)}) nor paths "
        f"({', '.join(_PATHS)}); it has {', '.join(kinds)}"
    )


def label_of(value: object) -> str | None:
    """A row's label as text; None for none, which is a null, an empty text or a number below 0."""
    if value is None or (isinstance(value, int) and value < 0):
        return None
    return str(value).strip() or None


def class_names(schema: pa.Schema, label: str | None) -> Sequence[str] | None:
    """The names of number labels that the `datasets` library keeps in a file; None without."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])
        names = told["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return None
    return tuple(composed(str(name)) for name in names)


def _is_label(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return _is_text(kind) or bool(pa.types.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
