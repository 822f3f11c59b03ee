"""The record of a run's data: a few lines that tell a changed data set when a run goes on.

The class names, the input size, and for the train and the valid split four facts: the number of
pictures, and digests (SHA-256) of their labels, of their sources relative to the data set, and of
their contents. A content is a digest of the picture's file, which reading the folder gave, or the
pixels of a picture in memory. Where the data set lies does not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from training.data.splits import DataSet, Split

SPLITS = ("train", "valid")  # those that training sees


@dataclass(frozen=True)
class SplitRecord:
    """A split's pictures, in their order."""

    pictures: int
    labels: str
    names: str
    contents: str

    @classmethod
    def of(cls, split: Split) -> SplitRecord:
        """The record of a split as it is now."""
        return cls(
            pictures=len(split),
            labels=_digest([np.asarray(split.labels, "<i8").tobytes()]),
            names=_digest(_terminated(source) for source in split.sources),
            contents=_digest(split.content(i) for i in range(len(split))),
        )


@dataclass(frozen=True)
class DataRecord:
    """The data of a run."""

    class_names: tuple[str, ...]
    input_size: int
    splits: dict[str, SplitRecord]

    @classmethod
    def of(cls, data: DataSet, input_size: int) -> DataRecord:
        """The record of a data set as it is now, for a network of `input_size` pixels."""
        splits = {n: SplitRecord.of(data.splits[n]) for n in SPLITS if n in data.splits}
        return cls(class_names=tuple(data.class_names), input_size=input_size, splits=splits)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> DataRecord:
        """The record that `plain` was called on."""
        splits = {name: SplitRecord(**split) for name, split in values["splits"].items()}
        return cls(tuple(values["class_names"]), values["input_size"], splits)

    def plain(self) -> dict[str, Any]:
        """As dictionaries of strings and numbers, for a checkpoint."""
        return asdict(self)

    def changes(self, now: DataRecord) -> list[str]:
        """The differences to the record of `now`, in words; none for the same data."""
        found = _class_changes(self.class_names, now.class_names)
        if self.input_size != now.input_size:
            found.append(f"input size (was {self.input_size}, now {now.input_size})")
        for name in SPLITS:
            before, after = self.splits.get(name), now.splits.get(name)
            if before is None or after is None:
                if before is not after:
                    found.append(f"{name} split (was {_count(before)}, now {_count(after)})")
            elif before.pictures != after.pictures:
                found.append(f"{name} pictures (were {before.pictures}, now {after.pictures})")
            elif different := [
                fact
                for fact in ("labels", "names", "contents")
                if getattr(before, fact) != getattr(after, fact)
            ]:
                found.append(f"{', '.join(different)} of the {name} pictures")
        return found


def _class_changes(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    pairs = [(a, b) for a, b in zip_longest(before, after) if a != b]
    if not pairs:
        return []
    if len(before) != len(after):
        return [f"classes (were {len(before)}, now {len(after)})"]
    told = ", ".join(f"was {a!r}, now {b!r}" for a, b in pairs[:3])
    return [f"class names ({told}{', …' if len(pairs) > 3 else ''})"]


def _count(split: SplitRecord | None) -> str:
    return "none" if split is None else f"{split.pictures} pictures"


def _terminated(source: str) -> bytes:
    # A file's name may hold bytes that are no UTF-8; none holds a zero.
    return source.encode("utf-8", "surrogateescape") + b"\0"


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
