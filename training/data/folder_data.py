"""A folder of pictures as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from interpret.model.picture_files import as_text
from training.data.folders import PictureFile, read_folder
from training.data.opening import digest_bytes, open_file
from training.data.splits import DataSet, Facts, Split


def folder_as_it_is(path: Path, strict: bool, *, to_train: bool) -> DataSet:
    """The pictures of a folder in the splits that it has, or as one: see `read_folder`."""
    found = read_folder(path, strict, to_train=to_train)
    splits = {
        name: Split(
            np.array([picture.label for picture in part], np.int64),
            [as_text(picture.file.relative_to(path)) for picture in part],
            partial(open_file, [picture.file for picture in part]),
            partial(digest_bytes, np.array([picture.digest for picture in part], np.uint64)),
            _facts(part),
        )
        for name, part in found.parts.items()
    }
    return DataSet(
        f"folder:{as_text(path.name)}",
        found.class_names,
        splits,
        found.image_size,
        left_out=found.left_out,
        notes=found.notes,
        root=path,
    )


def _facts(pictures: Sequence[PictureFile]) -> Facts:
    sizes = np.array([(p.width, p.height) for p in pictures], np.int32).reshape(-1, 2)
    return Facts(sizes, np.array([p.digest for p in pictures], np.uint64))
