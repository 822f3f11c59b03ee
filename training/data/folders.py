"""Reading a user's own pictures: PATH/CLASS/*.jpg, or PATH/{train,valid,test}/CLASS/*.jpg."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interpret.bundle.errors import ImageError
from interpret.model.images import open_image, pictures_in
from interpret.model.progress import parallel_map
from training.config.errors import DataError

_LOG = logging.getLogger(__name__)

SPLITS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
LARGEST = 224  # the suggested picture size is never above this


@dataclass(frozen=True)
class Part:
    """The readable pictures of one split."""

    files: list[Path]
    labels: list[int]


@dataclass(frozen=True)
class Found:
    """What a folder holds: only the part `train` when it has no splits of its own."""

    class_names: list[str]
    parts: dict[str, Part]
    image_size: int  # suggested: the median of the pictures' shorter sides, at most LARGEST


def read_folder(path: Path, strict: bool) -> Found:
    """List and decode every picture once. Corrupt ones are reported by name and left out, or
    raise DataError with `strict`. Raises DataError for a folder that cannot be trained on.
    """
    if not path.is_dir():
        raise DataError(f"--data folder:{path}: no such folder")
    roots = {SPLITS[d.name]: d for d in _folders(path) if d.name in SPLITS} or {"train": path}
    if "train" not in roots:
        raise DataError(f"{path}: has {', '.join(sorted(roots))}, but no train folder")
    if len(roots) == 1 and roots["train"] != path:
        raise DataError(f"{path}: a train folder needs a valid or a test folder beside it")
    class_names = [folder.name for folder in _folders(roots["train"])]
    if len(class_names) < 2:
        raise DataError(
            f"{roots['train']}: {len(class_names)} class folders; there must be 2 or more"
        )
    parts, sides = {}, []
    for name, root in roots.items():
        files, labels = _list(root, class_names)
        checked = parallel_map(_shorter_side, files, f"checking {name}")
        _report([side for side in checked if isinstance(side, ImageError)], len(files), strict)
        good = [i for i, side in enumerate(checked) if not isinstance(side, ImageError)]
        parts[name] = Part([files[i] for i in good], [labels[i] for i in good])
        sides += [side for side in checked if isinstance(side, int)]
    for i, name in enumerate(class_names):
        if i not in parts["train"].labels:
            raise DataError(f"{roots['train'] / name}: no readable picture")
    size = max(8, min(LARGEST, int(np.median(sides)) // 8 * 8))
    return Found(class_names, parts, size)


def _list(root: Path, class_names: list[str]) -> tuple[list[Path], list[int]]:
    files, labels = [], []
    for folder in _folders(root):
        if folder.name not in class_names:
            raise DataError(f"{folder}: a class that the train folder does not have")
        own = pictures_in(folder)
        files += own
        labels += [class_names.index(folder.name)] * len(own)
    return files, labels


def _folders(path: Path) -> list[Path]:
    return sorted(d for d in path.iterdir() if d.is_dir() and not d.name.startswith("."))


def _shorter_side(file: Path) -> int | ImageError:
    try:
        return min(open_image(file).size)
    except ImageError as error:
        return error


def _report(errors: list[ImageError], total: int, strict: bool) -> None:
    if not errors:
        return
    if strict:
        raise DataError(f"{errors[0]} (--strict; {len(errors)} of {total} pictures)")
    for error in errors:
        _LOG.warning("skipped %s", error)
