"""Data sets by their names: digits, torchvision's, and a user's own in folders or shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from interpret.model.picture_files import as_text
from training.config.errors import DataError
from training.data import torchvision_sets
from training.data.folder_data import folder_as_it_is
from training.data.layouts import ALL
from training.data.shards import SHARDS, shards_as_they_are
from training.data.splits import DataSet, Split
from training.data.splitting import copies_together, stratified

RESIDENT_SIZE = 64  # pictures up to this side are kept as uint8 in the device's memory
NAMES = ("digits", *torchvision_sets.NAMES, "folder:PATH", *(f"{kind}:PATH" for kind in SHARDS))
_OWN = ("folder", *SHARDS)  # where a user's own pictures lie


def load_data(
    spec: str,
    *,
    seed: int = 0,
    strict: bool = False,
    root: Path = Path("data"),
    download: bool = False,
    valid_share: float = 0.0,
) -> DataSet:
    """The data set that `spec` names.

    `seed` shuffles where the data has no splits of its own; `strict` fails on a corrupt picture
    that otherwise is reported and skipped; `root` and `download` are for torchvision's sets. Of
    data without a valid split, `valid_share` of the training pictures of each class become one.
    Raises DataError.
    """
    if spec == "digits":
        data = _digits(seed)
    elif _kind_of(spec) in _OWN:
        data = _own(spec, strict, to_train=True)
        if set(data.splits) == {"train"}:
            data = _with_seeded_splits(data, data.splits["train"], seed, _path_of(spec))
    elif spec in torchvision_sets.NAMES:
        data = _torchvision(spec, root, download)
    else:
        raise DataError(f"--data {spec}: not one of {', '.join(NAMES)}")
    if valid_share and "valid" not in data.splits:
        return with_valid(data, valid_share, seed)
    return data


def load_to_measure(
    spec: str,
    split: str | None,
    *,
    seed: int = 0,
    root: Path = Path("data"),
    download: bool = False,
    valid_share: float = 0.0,
) -> DataSet:
    """The data set that `spec` names, to measure a finished model on.

    A folder, or shards, are taken as they are: any splits, any number of classes and pictures, and
    whole (the one split ALL) without splits of their own, unless `split` asks for one of those that
    training makes.
    Everything else comes as from load_data. Raises DataError.
    """
    if _kind_of(spec) not in _OWN:
        return load_data(spec, seed=seed, root=root, download=download, valid_share=valid_share)
    data = _own(spec, strict=False, to_train=False)
    if split in ("train", "valid") and {"train"} == {"train", "valid"} & data.splits.keys():
        return with_valid(data, valid_share, seed) if valid_share else data
    if split in (None, ALL) or ALL not in data.splits:
        return data
    return _with_seeded_splits(data, data.splits[ALL], seed, _path_of(spec))


def with_valid(data: DataSet, share: float, seed: int) -> DataSet:
    """The data set with a share of each class's training pictures as its valid split. Raises
    DataError for a class that is too small.
    """
    train, random = data.splits["train"], np.random.default_rng(seed)
    chosen = np.zeros(len(train), bool)
    for label in range(len(data.class_names)):
        own = random.permutation(np.flatnonzero(train.labels == label))
        taken = round(share * len(own))
        if not 0 < taken < len(own):
            raise DataError(
                f"--valid-share {share}: {taken} of the {len(own)} pictures of "
                f"{data.class_names[label]!r}; each class needs some in both parts"
            )
        chosen[own[:taken]] = True
    parts = {"train": np.flatnonzero(~chosen), "valid": np.flatnonzero(chosen)}
    splits = data.splits | {name: train.subset(rows) for name, rows in parts.items()}
    return replace(data, splits=splits)


def _digits(seed: int) -> DataSet:
    """scikit-learn's 1,797 real handwritten digits of 8×8, which it ships."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    whole = Split.of_arrays(
        images, bunch.target.astype(np.int64), [f"digits/{i}" for i in range(len(images))]
    )
    splits = {name: whole.subset(rows) for name, rows in stratified(whole.labels, seed).items()}
    return DataSet("digits", [str(i) for i in range(10)], splits, image_size=32, flip=False)


def _kind_of(spec: str) -> str:
    kind, colon, _ = spec.partition(":")
    return kind if colon else ""


def _path_of(spec: str) -> Path:
    kind, _, name = spec.partition(":")
    if not name:
        raise DataError(f"--data {kind}: names no folder; the working folder is {kind}:.")
    return Path(name).expanduser()


def _own(spec: str, strict: bool, *, to_train: bool) -> DataSet:
    """A user's own pictures in the splits that they have, or as one."""
    kind, path = _kind_of(spec), _path_of(spec)
    if kind == "folder":
        return folder_as_it_is(path, strict, to_train=to_train)
    return shards_as_they_are(kind, path, strict, to_train=to_train)


def _torchvision(name: str, root: Path, download: bool) -> DataSet:
    found = torchvision_sets.read_torchvision(name, root, download)
    side = found.image_size if name.startswith("cifar") else None
    splits = {
        split: Split(
            part.labels,
            [f"{name}/{split}/{i}" for i in range(len(part.labels))],
            part.open_picture,
            part.content,
            side=side,
        )
        for split, part in found.parts.items()
    }
    return DataSet(name, found.class_names, splits, found.image_size)


def _with_seeded_splits(data: DataSet, whole: Split, seed: int, path: Path) -> DataSet:
    try:
        rows = stratified(whole.labels, seed)
    except DataError as error:
        raise DataError(f"{as_text(path)}: {error}") from error
    if whole.facts is not None:
        rows = copies_together(rows, whole.labels, whole.facts.digests)
    return replace(
        data,
        splits={name: whole.subset(part) for name, part in rows.items()},
        notes=[*data.notes, *_untested(data.class_names, np.bincount(whole.labels))],
    )


def _untested(names: Sequence[str], counts: NDArray[np.int64]) -> list[str]:
    few = [f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count < 3]
    shown = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
    return [f"too few pictures to test, all are trained on: {shown}"] if few else []
