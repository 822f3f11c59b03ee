"""A look at a data set before training: classes, sizes, what was left out, copies.

Everything comes from names, headers and hashes, which reading a folder has given: no picture is
opened here, and a million pictures take seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interpret.model.picture_files import LeftOut, as_text
from training.data.splits import DataSet, Split

_LOG = logging.getLogger(__name__)

EXAMPLES = 3  # files or pairs of files that are named for each finding


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of a measure."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: NDArray[np.number]) -> Spread:
        """The spread of one value or more."""
        return cls(float(values.min()), float(np.median(values)), float(values.max()))


@dataclass(frozen=True)
class Finding:
    """How many there are of something, and the first few by name."""

    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.count:,}: {', '.join(self.examples)}{more}" if self.count else "none"


@dataclass(frozen=True)
class Sizes:
    """The sizes of all pictures, upright, in pixels."""

    shorter: Spread
    longer: Spread
    aspect: Spread  # width ÷ height


@dataclass(frozen=True)
class Inspection:
    """What a data set holds. Of data that does not lie in files, sizes and copies are unknown.

    Copies are pictures whose files have the same bytes; each content counts once.
    """

    name: str
    class_names: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]  # pictures of each class, by split
    sizes: Sizes | None
    left_out: dict[str, Finding]  # by the reason, the most frequent first
    copies_across_splits: Finding | None
    copies_across_classes: Finding | None
    notes: tuple[str, ...]

    @property
    def training(self) -> int:
        """How many pictures there are to train on."""
        return sum(self.counts.get("train", ()))

    @property
    def imbalance(self) -> float:
        """The training pictures of the largest class ÷ those of the smallest."""
        counts = self.counts.get("train", (0,))
        return max(counts) / min(counts) if min(counts) else float("inf")

    def problems(self) -> list[str]:
        """What a user should know before training or measuring, a line each; often nothing."""
        found = list(self.notes)
        found += [f"left out, {reason}: {files}" for reason, files in self.left_out.items()]
        if self.copies_across_splits is not None and self.copies_across_splits.count:
            found.append(f"the same file in several splits: {self.copies_across_splits}")
        if self.copies_across_classes is not None and self.copies_across_classes.count:
            found.append(f"the same file in several classes: {self.copies_across_classes}")
        return found


def inspect(data: DataSet) -> Inspection:
    """Look at a data set that was loaded."""
    classes, splits = len(data.class_names), list(data.splits.values())
    across_splits, across_classes = _copies(splits)
    return Inspection(
        name=data.name,
        class_names=tuple(data.class_names),
        counts={
            name: tuple(np.bincount(split.labels, minlength=classes).tolist())
            for name, split in sorted(data.splits.items(), key=_use)
        },
        sizes=_sizes(splits),
        left_out=_by_reason(data.left_out),
        copies_across_splits=across_splits,
        copies_across_classes=across_classes,
        notes=tuple(data.notes),
    )


def _use(item: tuple[str, Split]) -> int:
    return {"train": 0, "valid": 1, "test": 2}.get(item[0], 3)


def log_problems(found: Inspection) -> None:
    """Say the problems in the log, for callers that print no table of the data set."""
    for line in found.problems():
        _LOG.warning("%s: %s", found.name, line)


def _sizes(splits: Sequence[Split]) -> Sizes | None:
    known = [split.facts.sizes for split in splits if split.facts is not None]
    if len(known) < len(splits) or not sum(map(len, known)):
        return None
    sizes = np.concatenate(known)
    return Sizes(
        Spread.of(sizes.min(1)), Spread.of(sizes.max(1)), Spread.of(sizes[:, 0] / sizes[:, 1])
    )


def _by_reason(left_out: Sequence[LeftOut]) -> dict[str, Finding]:
    files: dict[str, list[str]] = {}
    for file, reason in left_out:
        files.setdefault(reason, []).append(as_text("/".join(file.parts[-2:])))
    most = sorted(files.items(), key=lambda item: (-len(item[1]), item[0]))
    return {reason: Finding(len(names), tuple(names[:EXAMPLES])) for reason, names in most}


def _copies(splits: Sequence[Split]) -> tuple[Finding, Finding] | tuple[None, None]:
    """Contents that lie in several splits, and those that have several labels."""
    known = [split.facts.digests for split in splits if split.facts is not None]
    if len(known) < len(splits) or not splits:
        return None, None
    digests, labels = np.concatenate(known), np.concatenate([split.labels for split in splits])
    starts = np.cumsum([0, *map(len, splits)])
    order = np.argsort(digests, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(digests[order])) + 1)

    def source(row: int) -> str:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        return splits[part].sources[row - int(starts[part])]

    def finding(kinds: NDArray[np.integer]) -> Finding:
        """The groups whose rows are of several kinds."""
        found = [g for g in groups if len(g) > 1 and (kinds[g] != kinds[g[0]]).any()]
        pairs = [(int(g[0]), int(g[kinds[g] != kinds[g[0]]][0])) for g in found[:EXAMPLES]]
        return Finding(len(found), tuple(f"{source(a)} = {source(b)}" for a, b in pairs))

    part = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    return finding(part), finding(labels)
