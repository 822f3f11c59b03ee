"""Which columns of a Parquet file are pictures, their names and their labels."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pyarrow as pa

from interpret.bundle.errors import DpnpError

_BYTES = ("image", "bytes", "picture", "content", "jpg", "jpeg", "png", "webp")
_PATHS = ("path", "file", "uri", "url", "image", "source")
_NAMES = ("source", "path", "file", "key", "__key__", "id")


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
    label = "label" if "label" in kinds and _is_text(kinds["label"]) else None
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


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
