"""Data sets: digits, cifar10, cifar100, flowers102 and folder:PATH, all as splits of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torchvision
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from interpret.model.images import fit_square, open_image
from interpret.model.progress import parallel_map
from training.config.errors import DataError
from training.data.folders import ALL, Found, read_folder

RESIDENT_SIZE = 64  # pictures up to this side are kept as uint8 in the device's memory
NAMES = ("digits", "cifar10", "cifar100", "flowers102", "folder:PATH")


@dataclass(frozen=True)
class Split:
    """Pictures with their labels. `open_picture(i)` gives the i-th as upright RGB, any size.

    `content(i)` gives bytes that change with the i-th picture and cost no decoding: the size of its
    file, or its pixels where they are in memory. See data_record.
    """

    labels: NDArray[np.int64]  # (N,)
    sources: Sequence[str] = field(repr=False)  # where each comes from, relative to the data set
    open_picture: Callable[[int], Image.Image] = field(repr=False)
    content: Callable[[int], bytes] = field(repr=False)

    @classmethod
    def of_arrays(
        cls, images: NDArray[np.uint8], labels: NDArray[np.int64], sources: Sequence[str]
    ) -> Split:
        """Pictures held in memory: grey (N, H, W) or RGB (N, H, W, 3)."""
        return cls(labels, sources, partial(_open_array, images), partial(_array_content, images))

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: NDArray[np.integer]) -> Split:
        """The same pictures in the order of `rows`."""
        return Split(
            self.labels[rows],
            [self.sources[i] for i in rows],
            partial(_open_row, self.open_picture, rows),
            partial(_row_content, self.content, rows),
        )

    def pixels(self, size: int, title: str) -> NDArray[np.uint8]:
        """All pictures as uint8 (N, size, size, 3), decoded in threads under a progress bar."""
        result = np.empty((len(self), size, size, 3), np.uint8)

        def fill(i: int) -> None:
            result[i] = fit_square(self.open_picture(i), size)

        parallel_map(fill, range(len(self)), title)
        return result


@dataclass(frozen=True)
class DataSet:
    """A data set: class names in order, its splits (train, and valid and test where it has them),
    the picture size it suggests, and whether a mirrored picture keeps its class.
    """

    name: str
    class_names: list[str]
    splits: dict[str, Split]
    image_size: int
    flip: bool = True

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
        data = _folder(Path(spec.removeprefix("folder:")).expanduser(), seed, strict)
    elif spec in _TORCHVISION:
        data = _torchvision(spec, root, download)
    else:
        raise DataError(f"--data {spec}: not one of {', '.join(NAMES)}")
    if valid_share and "valid" not in data.splits:
        return _with_valid(data, valid_share, seed)
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
    path = Path(spec.removeprefix("folder:")).expanduser()
    data = _folder_as_it_is(path, read_folder(path, strict=False, to_train=False))
    if split in ("train", "valid") and {"train"} == {"train", "valid"} & data.splits.keys():
        return _with_valid(data, valid_share, seed) if valid_share else data
    if split in (None, ALL) or ALL not in data.splits:
        return data
    return _with_seeded_splits(data, data.splits[ALL], seed, path)


def _with_valid(data: DataSet, share: float, seed: int) -> DataSet:
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


def stratified(labels: NDArray[np.int64], seed: int) -> dict[str, NDArray[np.int64]]:
    """Rows of a seeded 70/10/20 split into train, valid and test, with every class in each.

    Raises DataError when a class has fewer than 3 pictures.
    """
    counts = np.bincount(labels)
    if counts.min() < 3:
        raise DataError(f"class {counts.argmin()} has {counts.min()} pictures; a split needs 3")
    rows = np.arange(len(labels))
    parts: dict[str, list[NDArray[np.int64]]] = {"train": [], "valid": [], "test": []}
    generator = np.random.default_rng(seed)
    for label in range(len(counts)):
        own = generator.permutation(rows[labels == label])
        test, valid = max(1, round(0.2 * len(own))), max(1, round(0.1 * len(own)))
        parts["test"].append(own[:test])
        parts["valid"].append(own[test : test + valid])
        parts["train"].append(own[test + valid :])
    return {name: np.sort(np.concatenate(chunks)) for name, chunks in parts.items()}


def _digits(seed: int) -> DataSet:
    """scikit-learn's 1,797 real handwritten digits of 8×8, which it ships."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    whole = Split.of_arrays(
        images, bunch.target.astype(np.int64), [f"digits/{i}" for i in range(len(images))]
    )
    splits = {name: whole.subset(rows) for name, rows in stratified(whole.labels, seed).items()}
    return DataSet("digits", [str(i) for i in range(10)], splits, image_size=32, flip=False)


def _folder(path: Path, seed: int, strict: bool) -> DataSet:
    data = _folder_as_it_is(path, read_folder(path, strict))
    if set(data.splits) != {"train"}:
        return data
    return _with_seeded_splits(data, data.splits["train"], seed, path)


def _with_seeded_splits(data: DataSet, whole: Split, seed: int, path: Path) -> DataSet:
    try:
        rows = stratified(whole.labels, seed)
    except DataError as error:
        few = data.class_names[int(np.bincount(whole.labels).argmin())]
        raise DataError(f"{path / few}: {error}") from error
    return replace(data, splits={name: whole.subset(part) for name, part in rows.items()})


def _folder_as_it_is(path: Path, found: Found) -> DataSet:
    splits = {
        name: Split(
            np.asarray(part.labels, dtype=np.int64),
            [str(file.relative_to(path)) for file in part.files],
            partial(_open_file, part.files),
            partial(_file_content, part.files),
        )
        for name, part in found.parts.items()
    }
    return DataSet(f"folder:{path.name}", found.class_names, splits, found.image_size)


# Plain functions, not closures: worker processes get them pickled on some systems.
def _open_row(
    open_picture: Callable[[int], Image.Image], rows: NDArray[np.integer], i: int
) -> Image.Image:
    return open_picture(int(rows[i]))


def _row_content(content: Callable[[int], bytes], rows: NDArray[np.integer], i: int) -> bytes:
    return content(int(rows[i]))


def _open_array(images: NDArray[np.uint8], i: int) -> Image.Image:
    return Image.fromarray(images[i]).convert("RGB")


def _array_content(images: NDArray[np.uint8], i: int) -> bytes:
    pixels: NDArray[np.uint8] = images[i]
    return pixels.tobytes()


def _open_file(files: Sequence[Path], i: int) -> Image.Image:
    return open_image(files[i])


def _file_content(files: Sequence[Path], i: int) -> bytes:
    return files[i].stat().st_size.to_bytes(8, "little")


def _open_item(dataset: Any, i: int) -> Image.Image:
    image: Image.Image = dataset[i][0]
    return image.convert("RGB")


def _item_content(dataset: Any, i: int) -> bytes:
    """torchvision holds CIFAR's pixels in memory, and the paths of the flowers' files."""
    if hasattr(dataset, "data"):
        return _array_content(dataset.data, i)
    return _file_content(dataset._image_files, i)


def _cifar(kind: type[Any]) -> Callable[[Path, bool], dict[str, Any]]:
    return lambda root, download: {
        "train": kind(str(root), train=True, download=download),
        "test": kind(str(root), train=False, download=download),
    }


def _flowers(root: Path, download: bool) -> dict[str, Any]:
    names = {"train": "train", "valid": "val", "test": "test"}
    return {
        name: torchvision.datasets.Flowers102(str(root), split=split, download=download)
        for name, split in names.items()
    }


_TORCHVISION: dict[str, tuple[int, Callable[[Path, bool], dict[str, Any]]]] = {
    "cifar10": (32, _cifar(torchvision.datasets.CIFAR10)),
    "cifar100": (32, _cifar(torchvision.datasets.CIFAR100)),
    "flowers102": (224, _flowers),
}


def _torchvision(name: str, root: Path, download: bool) -> DataSet:
    """torchvision's data sets, which check the MD5 of what they read."""
    size, load = _TORCHVISION[name]
    try:
        parts = load(root, download)
    except (RuntimeError, OSError) as error:
        hint = "" if download else "; --download fetches it"
        raise DataError(f"--data {name}: not in {root}{hint} ({error})") from error
    splits = {
        split: Split(
            np.asarray(part.targets if hasattr(part, "targets") else part._labels, np.int64),
            [f"{name}/{split}/{i}" for i in range(len(part))],
            partial(_open_item, part),
            partial(_item_content, part),
        )
        for split, part in parts.items()
    }
    return DataSet(name, [str(c) for c in parts["train"].classes], splits, size)
