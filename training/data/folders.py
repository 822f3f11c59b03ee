"""Reading a user's own pictures: PATH/CLASS/*.jpg, or PATH/{train,valid,test}/CLASS/*.jpg."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interpret.bundle.errors import ImageError
from interpret.model.images import open_image
from interpret.model.picture_files import pictures_in
from interpret.model.progress import parallel_map
from training.config.errors import DataError

_LOG = logging.getLogger(__name__)

SPLITS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
ALL = "all"  # the part that a folder without splits is, when it is only measured on
LARGEST = 224  # the suggested picture size is never above this


@dataclass(frozen=True)
class Part:
    """The readable pictures of one split."""

    files: list[Path]
    labels: list[int]


@dataclass(frozen=True)
class Found:
    """What a folder holds: one part, `train` or ALL, when it has no splits of its own."""

    class_names: list[str]
    parts: dict[str, Part]
    image_size: int  # suggested: the median of the pictures' shorter sides, at most LARGEST


def read_folder(path: Path, strict: bool, *, to_train: bool = True) -> Found:
    """List and decode every picture once. Corrupt ones are reported by name and left out, or
    raise DataError with `strict`.

    `to_train` raises DataError for a folder that cannot be trained on. Without it any split, class
    or number of pictures is enough: splits and classes without a readable picture are left out,
    and a folder without splits of its own is the part ALL. DataError is then for no picture at all.
    """
    if not path.is_dir():
        raise DataError(f"--data folder:{path}: no such folder")
    own_splits = {SPLITS[d.name]: d for d in _folders(path) if d.name in SPLITS}
    if not to_train:
        return _whatever_is_there(path, own_splits or {ALL: path}, strict)
    roots = own_splits or {"train": path}
    if "train" not in roots:
        raise DataError(f"{path}: has {', '.join(sorted(roots))}, but no train folder")
    if len(roots) == 1 and roots["train"] != path:
        raise DataError(f"{path}: a train folder needs a valid or a test folder beside it")
    class_names = [folder.name for folder in _folders(roots["train"])]
    if len(class_names) < 2:
        raise DataError(
            f"{roots['train']}: {len(class_names)} class folders; there must be 2 or more"
        )
    found = _read(roots, class_names, strict)
    for i, name in enumerate(class_names):
        if i not in found.parts["train"].labels:
            raise DataError(f"{roots['train'] / name}: no readable picture")
    return found


def _whatever_is_there(path: Path, roots: dict[str, Path], strict: bool) -> Found:
    names = sorted({folder.name for root in roots.values() for folder in _folders(root)})
    found = _read(roots, names, strict)
    present = sorted({label for part in found.parts.values() for label in part.labels})
    if not present:
        raise DataError(f"{path}: no readable picture in a folder of a class")
    parts = {
        name: Part(part.files, [present.index(label) for label in part.labels])
        for name, part in found.parts.items()
        if part.files
    }
    return Found([names[i] for i in present], parts, found.image_size)


def _read(roots: dict[str, Path], class_names: list[str], strict: bool) -> Found:
    parts, sides = {}, []
    for name, root in roots.items():
        files, labels = _list(root, class_names)
        checked = parallel_map(_shorter_side, files, f"checking {name}")
        _report([side for side in checked if isinstance(side, ImageError)], len(files), strict)
        good = [i for i, side in enumerate(checked) if not isinstance(side, ImageError)]
        parts[name] = Part([files[i] for i in good], [labels[i] for i in good])
        sides += [side for side in checked if isinstance(side, int)]
    size = max(8, min(LARGEST, int(np.median(sides)) // 8 * 8)) if sides else LARGEST
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
