"""Which files are the shards of a data set, and which split each of them is."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from interpret.model.picture_files import as_text
from training.config.errors import DataError
from training.data.layouts import ALL, SPLITS, split_of, words_of

SHARDS = {"webdataset": ".tar", "parquet": ".parquet"}  # the suffix of each kind's files
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_PACKED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")


def find_shards(kind: str, path: Path, *, to_train: bool) -> tuple[Path, dict[str, list[Path]]]:
    """The folder that the shards' names are told from, and the shards of each split, in order.

    `path` is a folder, a shard, or a pattern: train-{000..099}.tar, with * and ? too. A shard's
    split stands in its name or that of a folder around it, as in train/00.tar and val-00.tar.
    Where none tells one, all are `train`, or ALL if not `to_train`. Raises DataError.
    """
    root, files = _listed(kind, path)
    splits: dict[str | None, list[Path]] = {}
    for file in files:
        splits.setdefault(_split_of_shard(file.relative_to(root)), []).append(file)
    if list(splits) == [None] or (not to_train and list(splits) == ["train"]):
        return root, {"train" if to_train else ALL: files}
    if None in splits:
        named, (odd, *_) = next(name for name in splits if name), splits[None]
        raise DataError(
            f"{as_text(odd)}: is no split by its name, while others are {named}: put train, valid "
            "or test into the name of each shard, or of none"
        )
    if to_train and "train" not in splits:
        raise DataError(f"{as_text(path)}: has {', '.join(map(str, splits))}, but no train shards")
    return root, {str(name): splits[name] for name in sorted(map(str, splits))}


def _listed(kind: str, path: Path) -> tuple[Path, list[Path]]:
    suffix = SHARDS[kind]
    if path.is_dir():
        inside = [file for file in sorted(path.rglob("*")) if not _hidden(file, path)]
        found = [file for file in inside if file.name.endswith(suffix)]
        packed = [file for file in inside if file.name.endswith(_PACKED)]
        if packed and kind == "webdataset":
            _refuse_packed(packed[0])
        root = path
    else:
        patterns = list(_expanded(str(path)))
        found = [file for each in patterns for file in _matching(kind, each)]
        root = next((f for f in found[0].parents if all(f in g.parents for g in found)), Path())
    if not found:
        raise DataError(f"--data {kind}:{as_text(path)}: no {suffix} files there")
    return root, found


def _matching(kind: str, pattern: str) -> list[Path]:
    files = [Path(pattern)] if Path(pattern).exists() else [Path(f) for f in _globbed(pattern)]
    if not files:
        raise DataError(f"--data {kind}:{as_text(pattern)}: no such file or folder")
    for file in files:
        if file.name.endswith(_PACKED):
            _refuse_packed(file)
        if not file.name.endswith(SHARDS[kind]) or not file.is_file():
            raise DataError(f"--data {kind}:{as_text(file)}: not a {SHARDS[kind]} file")
    return files


def _globbed(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern)) if glob.has_magic(pattern) else []  # noqa: PTH207


def _refuse_packed(file: Path) -> None:
    raise DataError(
        f"{as_text(file)}: a compressed archive, whose pictures can be read in one order alone: "
        "unpack it to .tar; pictures are compressed already"
    )


def _expanded(pattern: str) -> Iterator[str]:
    """The names that a pattern with {000..099} stands for."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last = found.groups()
    for number in range(int(first), int(last) + 1):
        yield from _expanded(
            f"{pattern[: found.start()]}{number:0{len(first)}}{pattern[found.end() :]}"
        )


def _hidden(file: Path, root: Path) -> bool:
    return any(name.startswith(".") for name in file.relative_to(root).parts)


def _split_of_shard(file: Path) -> str | None:
    found = [split for name in file.parts[:-1] if (split := split_of(name))]
    found += [SPLITS[word] for word in words_of(file.stem) if word in SPLITS]
    return found[0] if found else None
