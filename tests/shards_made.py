"""Shards as users have them, made of noise pictures: what tests of shards share."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def jpeg(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """Noise about a colour of its own, as a JPEG."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 60, (size[1], size[0], 3)) + random.integers(0, 190, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def samples(first: int, labels: Sequence[str]) -> list[tuple[str, bytes]]:
    """The members of a shard: pictures with seeds from `first` on, and a .cls beside each."""
    return [
        member
        for i, label in enumerate(labels, first)
        for member in ((f"{i:06}.jpg", jpeg(i)), (f"{i:06}.cls", label.encode()))
    ]


def write_parquet(
    path: Path,
    pictures: Sequence[bytes | None],
    labels: pa.Array,
    *,
    group: int = 4,
    names: Sequence[str] | None = None,
) -> Path:
    """A file as the `datasets` library writes it: pictures are structs, labels maybe numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array([{"bytes": picture, "path": "x.jpg"} for picture in pictures])
    metadata: Mapping[str, str] = {}
    if names is not None:
        told = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
        metadata = {"huggingface": json.dumps(told)}
    table = pa.table({"image": images, "label": labels}).replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=group)
    return path
