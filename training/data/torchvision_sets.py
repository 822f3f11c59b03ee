"""torchvision's data sets, which check the MD5 of what they read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torchvision
from numpy.typing import NDArray
from PIL import Image

from training.config.errors import DataError


class TorchvisionPart(NamedTuple):
    """A split as torchvision has it; `content` as in splits.Split."""

    labels: NDArray[np.int64]
    open_picture: Callable[[int], Image.Image]
    content: Callable[[int], bytes]


class TorchvisionSet(NamedTuple):
    """A data set of torchvision's, and the picture size it suggests."""

    class_names: list[str]
    parts: dict[str, TorchvisionPart]
    image_size: int


def read_torchvision(name: str, root: Path, download: bool) -> TorchvisionSet:
    """The data set of this name in the folder `root`. Raises DataError when it is not there."""
    size, load = _SETS[name]
    try:
        parts = load(root, download)
    except (RuntimeError, OSError) as error:
        hint = "" if download else "; --download fetches it"
        raise DataError(f"--data {name}: not in {root}{hint} ({error})") from error
    return TorchvisionSet(
        [str(c) for c in parts["train"].classes],
        {
            split: TorchvisionPart(
                np.asarray(part.targets if hasattr(part, "targets") else part._labels, np.int64),
                partial(_open_item, part),
                partial(_item_content, part),
            )
            for split, part in parts.items()
        },
        size,
    )


# Plain functions, not closures: worker processes get them pickled on some systems.
def _open_item(dataset: Any, i: int) -> Image.Image:
    image: Image.Image = dataset[i][0]
    return image.convert("RGB")


def _item_content(dataset: Any, i: int) -> bytes:
    """torchvision holds CIFAR's pixels in memory, and the paths of the flowers' files."""
    if hasattr(dataset, "data"):
        pixels: NDArray[np.uint8] = dataset.data[i]
        return pixels.tobytes()
    size: int = dataset._image_files[i].stat().st_size
    return size.to_bytes(8, "little")


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


_SETS: dict[str, tuple[int, Callable[[Path, bool], dict[str, Any]]]] = {
    "cifar10": (32, _cifar(torchvision.datasets.CIFAR10)),
    "cifar100": (32, _cifar(torchvision.datasets.CIFAR100)),
    "flowers102": (224, _flowers),
}
NAMES = tuple(_SETS)
