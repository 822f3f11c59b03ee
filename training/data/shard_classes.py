"""The classes of shards: their labels, which are names or numbers, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interpret.batch.class_names import CLASSES, composed, is_number, read_names
from interpret.model.picture_files import as_text
from training.config.errors import DataError
from training.data.shard_rows import ShardRows


def classes_of(
    path: Path, index: Mapping[str, Sequence[ShardRows]], root: Path, *, to_train: bool
) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """The class names in order, and each split's labels as their indices.

    Numbers keep their order, names are sorted. The names of numbers come from the shards, or from
    CLASSES; without either they are the numbers. `to_train` raises DataError for a class that the
    train shards do not have.
    """
    found = {
        split: [composed(label) for rows in parts for label in rows.labels]
        for split, parts in index.items()
    }
    texts = {label for labels in found.values() for label in labels}
    if all(map(is_number, texts)):
        order = sorted({int(text) for text in texts})
        names = _names(root, order, [rows for parts in index.values() for rows in parts])
        places = {text: order.index(int(text)) for text in texts}
    else:
        names = sorted(texts)
        places = {text: i for i, text in enumerate(names)}
    codes = {
        split: np.array([places[label] for label in labels], np.int64)
        for split, labels in found.items()
    }
    if to_train:
        known = set(codes["train"].tolist())
        for split, labels in codes.items():
            if foreign := sorted(set(labels.tolist()) - known):
                raise DataError(
                    f"{as_text(path)}: the {split} shards have the class {names[foreign[0]]!r}, "
                    "which the train shards do not have"
                )
    return names, codes


def _names(root: Path, numbers: Sequence[int], shards: Sequence[ShardRows]) -> list[str]:
    """The names of number labels."""
    file, told = root / CLASSES, {rows.class_names for rows in shards} - {None}
    if len(told) > 1:
        raise DataError(f"{as_text(root)}: the shards name the classes in different ways")
    if file.is_file():
        names = read_names(str(file))
    elif told:
        names = list(told.pop() or ())
    else:
        return [str(number) for number in numbers]
    if numbers[-1] >= len(names):
        where = as_text(file) if file.is_file() else as_text(root)
        raise DataError(f"{where}: {len(names)} class names, but a label {numbers[-1]}")
    chosen = [names[number] for number in numbers]
    if len(set(chosen)) < len(chosen):
        raise DataError(f"{as_text(root)}: two of the class names are the same")
    return chosen
