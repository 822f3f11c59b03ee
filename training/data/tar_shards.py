"""WebDataset shards: archives whose samples are NAME.jpg with NAME.cls or NAME.json."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np

from interpret.batch.webdataset import FIELDS, Sample, sample_key, samples_in
from interpret.model.picture_files import as_text
from training.config.errors import DataError
from training.data.shard_rows import ShardRows


def index_tar(file: Path) -> ShardRows:
    """Where each picture of an archive lies, and its label. No picture is read.

    Raises DataError that names the archive and the member.
    """
    places, labels, names = [], [], []
    last = "its start"
    try:
        with tarfile.open(file, "r:") as archive:
            for sample in samples_in(archive, read=False):
                picture, *others = sample.pictures
                if others:
                    raise DataError(
                        f"{as_text(file)}: {picture.name} and {others[0].name} are one sample: it "
                        "must have one picture"
                    )
                places.append((picture.offset, picture.size))
                labels.append(_label(file, sample))
                names.append(as_text(picture.name))
                last = picture.name
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{as_text(file)}: unreadable after {last} ({error})") from error
    if not names:
        raise DataError(f"{as_text(file)}: no pictures in the archive")
    return ShardRows(np.array(places, np.int64), labels, names)


def read_tar(file: Path, offset: int, size: int) -> bytes:
    """The bytes of a picture. Raises OSError."""
    with file.open("rb", buffering=0) as archive:
        data = os.pread(archive.fileno(), size, offset)
    if len(data) < size:
        raise OSError(f"the archive ends after {len(data)} of {size} bytes: it was changed")
    return data


def _label(file: Path, sample: Sample) -> str:
    """The label of a sample. Raises DataError for none."""
    try:
        found = sample.label()
    except ValueError as error:
        raise DataError(f"{as_text(file)}: {error}") from error
    if found is not None:
        return found
    name = sample.pictures[0].name
    key = sample_key(name)
    raise DataError(
        f"{as_text(file)}: {name} has no label: {key}.cls, or {key}.json with a field "
        f"{FIELDS[0]!r}, must stand beside it in the archive (tar --sort=name does it)"
    )
