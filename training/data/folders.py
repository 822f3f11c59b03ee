"""Reading a user's own pictures: which files they are, and that each can be decoded."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interpret.bundle.errors import (
    BrokenImageError,
    ImageError,
    NotAnImageError,
    TooManyPixelsError,
)
from interpret.model.images import MAX_FILE_PIXELS, checked_size, read_picture
from interpret.model.picture_files import LeftOut, as_text, scan
from interpret.model.progress import parallel_map
from training.config.errors import DataError
from training.data.layouts import ALL, Layout, read_layout

_LOG = logging.getLogger(__name__)

LARGEST = 224  # the suggested picture size is never above this
_NAMED = 10  # corrupt pictures that are named; the others are counted
_REASONS = {
    BrokenImageError: "corrupt pictures",
    NotAnImageError: "files that are no pictures inside",
    TooManyPixelsError: f"pictures of more than {MAX_FILE_PIXELS // 10**6} million pixels",
    ImageError: "files that cannot be read",
}


class PictureFile(NamedTuple):
    """A picture that can be decoded, and what its header and its bytes tell."""

    file: Path
    label: int
    width: int  # upright, in pixels
    height: int
    digest: int  # 64 bits that change with the file's bytes


@dataclass(frozen=True)
class Found:
    """What a folder holds: one part, `train` or ALL, when it has no splits of its own."""

    class_names: list[str]
    parts: dict[str, list[PictureFile]]
    image_size: int  # suggested: the median of the pictures' shorter sides, at most LARGEST
    left_out: list[LeftOut]  # every file that is in none of the parts
    notes: list[str]  # what to tell about the layout, a line each


def read_folder(path: Path, strict: bool, *, to_train: bool = True) -> Found:
    """List and decode every picture once. Corrupt ones are reported by name and left out, or
    raise DataError with `strict`.

    `to_train` raises DataError for a folder that cannot be trained on. Without it any split, class
    or number of pictures is enough: splits and classes without a readable picture are left out,
    and a folder without splits of its own is the part ALL. DataError is then for no picture at all.
    """
    if path.is_file():
        raise DataError(f"--data folder:{as_text(path)}: a file; unpack it and name the folder")
    if not path.is_dir():
        raise DataError(f"--data folder:{as_text(path)}: no such folder")
    layout = read_layout(scan(path), to_train=to_train)
    if not to_train and list(layout.parts) == ["train"]:  # training would split it as a flat one
        layout.parts = {ALL: layout.parts["train"]}
    names = sorted({name for part in layout.parts.values() for name in part})
    if to_train and len(names) < 2:
        raise DataError(
            f"{as_text(path)}: {len(names)} class folders; there must be 2 or more, each with "
            "pictures of its own"
        )
    parts = {
        split: _readable(layout, split, files, names, strict)
        for split, files in layout.parts.items()
    }
    total = sum(len(files) for part in layout.parts.values() for files in part.values())
    if not any(parts.values()):
        raise DataError(f"{as_text(path)}: {_none_of(total)}")
    if to_train:
        _check_classes(layout, names, parts["train"])
    present = sorted({picture.label for part in parts.values() for picture in part})
    index = {label: i for i, label in enumerate(present)}
    for split in [split for split, part in parts.items() if not part]:
        layout.notes.append(f"no readable picture of the {split} split, so there is none")
        del parts[split]
    return Found(
        [names[label] for label in present],
        {s: [p._replace(label=index[p.label]) for p in part] for s, part in parts.items()},
        suggested_size([min(p.width, p.height) for part in parts.values() for p in part]),
        layout.left_out,
        layout.notes,
    )


def _readable(
    layout: Layout, split: str, part: dict[str, list[Path]], names: list[str], strict: bool
) -> list[PictureFile]:
    """The pictures of a split that can be decoded; the others are left out."""
    labels = {name: label for label, name in enumerate(names)}
    files = [(file, labels[name]) for name in sorted(part) for file in part[name]]
    looked = parallel_map(_look, files, f"checking {split}")
    bad = [(f, p) for (f, _), p in zip(files, looked, strict=True) if isinstance(p, ImageError)]
    layout.left_out += skipped(bad, len(files), split, strict)
    return [picture for picture in looked if not isinstance(picture, ImageError)]


def skipped(
    bad: Sequence[tuple[Path, ImageError]], total: int, split: str, strict: bool
) -> list[LeftOut]:
    """Tell the bad pictures among the `total` of a split in the log, the first few by name.

    With `strict` raises DataError for the first one.
    """
    if bad and strict:
        raise DataError(f"{bad[0][1]} (--strict; {len(bad)} of {total} pictures)")
    for _, error in bad[:_NAMED]:
        _LOG.warning("skipped %s", error)
    if len(bad) > _NAMED:
        _LOG.warning("skipped %d more of the %s split", len(bad) - _NAMED, split)
    return [LeftOut(file, _REASONS[type(error)]) for file, error in bad]


def content_digest(data: bytes) -> int:
    """64 bits that change with a picture's bytes."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _look(item: tuple[Path, int]) -> PictureFile | ImageError:
    file, label = item
    try:
        data = read_picture(file)
        width, height = checked_size(data)
    except ImageError as error:
        named = str(error) if type(error) is ImageError else f"{file}: {error}"
        return type(error)(as_text(named))
    return PictureFile(file, label, width, height, content_digest(data))


def _check_classes(layout: Layout, names: list[str], train: list[PictureFile]) -> None:
    """Raise DataError when a class has no training picture."""
    trained = {picture.label for picture in train}
    for label, name in enumerate(names):
        if label not in trained:
            files = layout.parts["train"].get(name, ())
            folder = as_text(layout.class_folders.get(name, name))
            raise DataError(
                f"{folder}: no readable picture to train on ({_none_of(len(files))}): "
                "add some, or delete the folder"
            )


def _none_of(total: int) -> str:
    return (
        f"none of {total:,} pictures can be read"
        if total
        else "no readable picture in a folder of a class"
    )


def suggested_size(sides: Sequence[int]) -> int:
    """The size for pictures with these shorter sides: the median, at most LARGEST."""
    return max(8, min(LARGEST, int(np.median(sides)) // 8 * 8))
