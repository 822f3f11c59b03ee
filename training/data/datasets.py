"""Data sets: digits, cifar10, cifar100, flowers102 and folder:PATH, all as splits of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from interpret.bundle.manifest import Fit
from interpret.model.fitting import fit_square
from interpret.model.picture_files import LeftOut, as_text
from interpret.model.progress import parallel_map
from training.config.errors import DataError
from training.data import torchvision_sets
from training.data.folders import Found, PictureFile, read_folder
from training.data.layouts import ALL
from training.data.opening import (
    array_content,
    digest_bytes,
    open_array,
    open_file,
    open_row,
    row_content,
)
from training.data.splitting import copies_together, stratified

RESIDENT_SIZE = 64  # pictures up to this side are kept as uint8 in the device's memory
NAMES = ("digits", *torchvision_sets.NAMES, "folder:PATH")


class Facts(NamedTuple):
    """What is known of each picture of a split without its pixels."""

    sizes: NDArray[np.int32]  # (N, 2): width and height, upright
    digests: NDArray[np.uint64]  # (N,): change with the file's bytes

    @classmethod
    def of(cls, pictures: Sequence[PictureFile]) -> Facts:
        """The facts that reading a folder gave."""
        sizes = np.array([(p.width, p.height) for p in pictures], np.int32).reshape(-1, 2)
        return cls(sizes, np.array([p.digest for p in pictures], np.uint64))


@dataclass(frozen=True)
class Split:
    """Pictures with their labels. `open_picture(i)` gives the i-th as upright RGB, any size.

    `content(i)` gives bytes that change with the picture and cost no decoding: see data_record.
    `fit` is how a picture of any shape fills a square.
    """

    labels: NDArray[np.int64]  # (N,)
    sources: Sequence[str] = field(repr=False)  # where each comes from, relative to the data set
    open_picture: Callable[[int], Image.Image] = field(repr=False)
    content: Callable[[int], bytes] = field(repr=False)
    facts: Facts | None = field(default=None, repr=False)  # of pictures in files
    fitted: NDArray[np.uint8] | None = field(default=None, repr=False)  # (N, S, S, 3), see kept
    fit: Fit = "crop"

    @classmethod
    def of_arrays(
        cls, images: NDArray[np.uint8], labels: NDArray[np.int64], sources: Sequence[str]
    ) -> Split:
        """Pictures held in memory: grey (N, H, W) or RGB (N, H, W, 3)."""
        return cls(labels, sources, partial(open_array, images), partial(array_content, images))

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: NDArray[np.integer]) -> Split:
        """The same pictures in the order of `rows`."""
        return Split(
            self.labels[rows],
            [self.sources[i] for i in rows],
            partial(open_row, self.open_picture, rows),
            partial(row_content, self.content, rows),
            None if self.facts is None else Facts(*(fact[rows] for fact in self.facts)),
            None if self.fitted is None else self.fitted[rows],
            self.fit,
        )

    def with_fit(self, fit: Fit) -> Split:
        """The same pictures, each fitted into a square in this way."""
        return self if fit == self.fit else replace(self, fit=fit, fitted=None)

    def kept(self, size: int, title: str) -> Split:
        """The same pictures, those of this size decoded now and kept in memory."""
        return replace(self, fitted=self.pixels(size, title))

    def pixels(self, size: int, title: str) -> NDArray[np.uint8]:
        """All pictures as uint8 (N, size, size, 3), decoded in threads under a progress bar."""
        if self.fitted is not None and self.fitted.shape[1] == size:
            return self.fitted
        result = np.empty((len(self), size, size, 3), np.uint8)

        def fill(i: int) -> None:
            result[i] = self.picture(i, size)

        parallel_map(fill, range(len(self)), title)
        return result

    def picture(self, i: int, size: int) -> NDArray[np.uint8]:
        """The i-th picture as uint8 (size, size, 3), read anew."""
        return fit_square(self.open_picture(i), size, self.fit)


@dataclass(frozen=True)
class DataSet:
    """A data set: class names in order, its splits (train, and valid and test where it has them),
    the picture size it suggests, and whether a mirrored picture keeps its class.

    `left_out` are the files of a folder that are in no split, `notes` tell how it was read.
    """

    name: str
    class_names: list[str]
    splits: dict[str, Split]
    image_size: int
    flip: bool = True
    left_out: Sequence[LeftOut] = field(default=(), repr=False)
    notes: Sequence[str] = ()

    def with_fit(self, fit: Fit) -> DataSet:
        """The same data set, its pictures fitted into squares in this way."""
        return replace(self, splits={n: split.with_fit(fit) for n, split in self.splits.items()})

    def evaluation_split(self) -> str:
        """The split that final figures are measured on: test, valid without one, or any."""
        return min(self.splits, key=lambda name: {"test": 0, "valid": 1}.get(name, 2))


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
    elif spec.startswith("folder:"):
        data = _folder(_path_of(spec), seed, strict)
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

    A folder is taken as it is: any splits, any number of classes and pictures, and whole (the one
    split ALL) without splits of its own, unless `split` asks for one of those that training makes.
    Everything else comes as from load_data. Raises DataError.
    """
    if not spec.startswith("folder:"):
        return load_data(spec, seed=seed, root=root, download=download, valid_share=valid_share)
    path = _path_of(spec)
    data = _folder_as_it_is(path, read_folder(path, strict=False, to_train=False))
    if split in ("train", "valid") and {"train"} == {"train", "valid"} & data.splits.keys():
        return with_valid(data, valid_share, seed) if valid_share else data
    if split in (None, ALL) or ALL not in data.splits:
        return data
    return _with_seeded_splits(data, data.splits[ALL], seed, path)


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


def folder_of(spec: str) -> Path | None:
    """The folder that `folder:PATH` names; None for a set of another kind."""
    return _path_of(spec) if spec.startswith("folder:") else None


def _path_of(spec: str) -> Path:
    name = spec.removeprefix("folder:")
    if not name:
        raise DataError("--data folder: names no folder; the working folder is folder:.")
    return Path(name).expanduser()


def _torchvision(name: str, root: Path, download: bool) -> DataSet:
    found = torchvision_sets.read_torchvision(name, root, download)
    splits = {
        split: Split(
            part.labels,
            [f"{name}/{split}/{i}" for i in range(len(part.labels))],
            part.open_picture,
            part.content,
        )
        for split, part in found.parts.items()
    }
    return DataSet(name, found.class_names, splits, found.image_size)


def _folder(path: Path, seed: int, strict: bool) -> DataSet:
    data = _folder_as_it_is(path, read_folder(path, strict))
    if set(data.splits) != {"train"}:
        return data
    return _with_seeded_splits(data, data.splits["train"], seed, path)


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


def _folder_as_it_is(path: Path, found: Found) -> DataSet:
    splits = {
        name: Split(
            np.array([picture.label for picture in part], np.int64),
            [as_text(picture.file.relative_to(path)) for picture in part],
            partial(open_file, [picture.file for picture in part]),
            partial(digest_bytes, [picture.digest for picture in part]),
            Facts.of(part),
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
    )
