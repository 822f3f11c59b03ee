"""A user's own pictures in shards, WebDataset archives or Parquet files, as a data set.

An index is made of the shards: where each picture lies, and its label. Any picture is then read
by itself, so that a run shuffles and goes on as with files, and of a shard no more than a picture,
or a row group, is in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.errors import ImageError
from interpret.model.images import MAX_FILE_PIXELS, checked_size, decode
from interpret.model.picture_files import LeftOut, as_text
from interpret.model.progress import parallel_map
from training.config.errors import DataError
from training.data.folders import content_digest, skipped, suggested_size
from training.data.opening import digest_bytes
from training.data.parquet_shards import LARGE_GROUP, index_parquet, largest_group, read_parquet
from training.data.shard_classes import classes_of
from training.data.shard_files import SHARDS, find_shards
from training.data.shard_rows import ShardRows
from training.data.splits import DataSet, Facts, Split
from training.data.tar_shards import index_tar, read_tar

__all__ = ["SHARDS", "shards_as_they_are"]
_LOG = logging.getLogger(__name__)
_TOGETHER = 64  # pictures that a thread looks at in one go
_INDEX = {"webdataset": index_tar, "parquet": index_parquet}
_READ = {"webdataset": read_tar, "parquet": read_parquet}


@dataclass(frozen=True)
class ShardPictures:
    """The pictures of a split, in the order of its shards. Worker processes get it pickled."""

    kind: str
    files: Sequence[Path]
    shard: NDArray[np.int32]  # (N,): which of the files
    places: NDArray[np.int64]  # (N, 2), see ShardRows
    sources: Sequence[str]
    root: Path  # that the sources are told from

    def read(self, i: int) -> bytes:
        """The bytes of the i-th picture. Raises ImageError that names shard and member."""
        file, (first, second) = self.files[self.shard[i]], self.places[i].tolist()
        try:
            return _READ[self.kind](file, first, second)
        except OSError as error:
            raise self._named(i, ImageError(error.strerror or str(error))) from error

    def open(self, i: int, side: int | None = None) -> Image.Image:
        """The i-th picture as upright RGB; see `decode`. Raises ImageError that names it."""
        data = self.read(i)
        try:
            return decode(data, MAX_FILE_PIXELS, side)
        except ImageError as error:
            raise self._named(i, error) from error

    def look(self, i: int) -> tuple[tuple[int, int], int]:
        """Size and digest of the i-th picture, which is decoded once. Raises ImageError."""
        data = self.read(i)
        try:
            return checked_size(data), content_digest(data)
        except ImageError as error:
            raise self._named(i, error) from error

    def _named(self, i: int, error: ImageError) -> ImageError:
        return type(error)(f"{as_text(self.root / self.sources[i])}: {error}")


def shards_as_they_are(kind: str, path: Path, strict: bool, *, to_train: bool) -> DataSet:
    """The pictures of all shards in the splits that these have, or as one.

    Every label is read first, then every picture is decoded once. Corrupt ones are reported by
    name and left out, or raise DataError with `strict`. `to_train` raises it for what cannot be
    trained on. It names shard and member.
    """
    root, files = find_shards(kind, path, to_train=to_train)
    index = {
        split: parallel_map(_INDEX[kind], own, f"listing the {split} shards")
        for split, own in files.items()
    }
    if kind == "parquet":
        _warn_of_large_groups([file for own in files.values() for file in own])
    names, codes = classes_of(path, index, root, to_train=to_train)
    left_out: list[LeftOut] = []
    splits: dict[str, Split] = {}
    for name, own in files.items():
        pictures = _pictures(kind, own, index[name], root)
        facts, good = _looked(pictures, name, strict, left_out)
        if len(good):
            splits[name] = _split(pictures, codes[name], facts, good)
    if not splits:
        raise DataError(f"{as_text(path)}: none of the pictures can be read")
    present = np.unique(np.concatenate([split.labels for split in splits.values()]))
    _check(path, names, splits, to_train)
    if len(present) < len(names):  # only what is measured may lack a class
        for split in splits.values():
            split.labels[:] = np.searchsorted(present, split.labels)
    sides = [int(s) for each in splits.values() if each.facts for s in each.facts.sizes.min(1)]
    return DataSet(
        f"{kind}:{as_text(path.name)}",
        [names[label] for label in present],
        splits,
        suggested_size(sides),
        left_out=left_out,
        notes=[
            f"no readable picture of the {n} split, so there is none" for n in files.keys() - splits
        ],
        root=root,
    )


def _pictures(
    kind: str, files: Sequence[Path], index: Sequence[ShardRows], root: Path
) -> ShardPictures:
    mark = "/" if kind == "webdataset" else "#"
    return ShardPictures(
        kind,
        files,
        np.repeat(np.arange(len(files), dtype=np.int32), [len(rows.names) for rows in index]),
        np.concatenate([rows.places for rows in index]),
        [
            f"{as_text(file.relative_to(root))}{mark}{name}"
            for file, rows in zip(files, index, strict=True)
            for name in rows.names
        ],
        root,
    )


def _looked(
    pictures: ShardPictures, split: str, strict: bool, left_out: list[LeftOut]
) -> tuple[Facts, NDArray[np.int64]]:
    """What is known of every picture, and the rows of those that can be decoded."""
    count = len(pictures.sources)
    sizes, digests = np.zeros((count, 2), np.int32), np.zeros(count, np.uint64)

    def look(first: int) -> list[tuple[int, ImageError]]:
        bad = []
        for i in range(first, min(first + _TOGETHER, count)):
            try:
                sizes[i], digests[i] = pictures.look(i)
            except ImageError as error:
                bad.append((i, error))
        return bad

    parts = parallel_map(look, range(0, count, _TOGETHER), f"checking {split}")
    bad = [(Path(pictures.sources[i]), error) for part in parts for i, error in part]
    left_out += skipped(bad, count, split, strict)
    return Facts(sizes, digests), np.flatnonzero(sizes[:, 0])


def _split(
    pictures: ShardPictures, labels: NDArray[np.int64], facts: Facts, good: NDArray[np.int64]
) -> Split:
    whole = Split(
        labels,
        pictures.sources,
        pictures.open,
        partial(digest_bytes, facts.digests),
        facts,
    )
    return whole if len(good) == len(labels) else whole.subset(good)


def _check(path: Path, names: Sequence[str], splits: dict[str, Split], to_train: bool) -> None:
    """Raise DataError for classes that cannot be trained on."""
    if not to_train:
        return
    if "train" not in splits:
        raise DataError(f"{as_text(path)}: none of the train pictures can be read")
    counts = np.bincount(splits["train"].labels, minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if not count:
            raise DataError(f"{as_text(path)}: no readable picture of {name!r} to train on")
    if len(names) < 2:
        raise DataError(f"{as_text(path)}: all pictures are {names[0]!r}; there must be 2 classes")


def _warn_of_large_groups(files: Sequence[Path]) -> None:
    size, file = max((largest_group(file), file) for file in files)
    if size > LARGE_GROUP:
        _LOG.warning(
            "%s: a row group of %.0f MB is read for each picture of it: write the file again with "
            "row groups of about 100 pictures",
            as_text(file),
            size / 1e6,
        )
