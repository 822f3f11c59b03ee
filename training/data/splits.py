"""A data set as splits of pictures, and what is known of each picture without its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.manifest import Fit
from interpret.model.fitting import fit_square
from interpret.model.picture_files import LeftOut
from interpret.model.progress import parallel_map
from training.data.fitted_cache import FittedCache
from training.data.opening import array_content, open_array, open_row, row_content


class Facts(NamedTuple):
    """What is known of each picture of a split without its pixels."""

    sizes: NDArray[np.int32]  # (N, 2): width and height, upright
    digests: NDArray[np.uint64]  # (N,): change with the file's bytes


@dataclass(frozen=True)
class Split:
    """Pictures with their labels. `open_picture(i)` gives the i-th as upright RGB, any size;
    of pictures in files, `open_picture(i, side)` a JPEG as `decode` does with that side.

    `content(i)` gives bytes that change with the picture and cost no decoding: see data_record.
    `fit` is how a picture of any shape fills a square.
    """

    labels: NDArray[np.int64]  # (N,)
    sources: Sequence[str] = field(repr=False)  # where each comes from, relative to the data set
    open_picture: Callable[..., Image.Image] = field(repr=False)
    content: Callable[[int], bytes] = field(repr=False)
    facts: Facts | None = field(default=None, repr=False)  # of pictures in files
    fitted: NDArray[np.uint8] | None = field(default=None, repr=False)  # (N, S, S, 3), see kept
    fit: Fit = "crop"
    reduced: bool = False  # large JPEGs are decoded at a half or less, where that is enough
    cache: FittedCache | None = field(default=None, repr=False)  # of pictures in files
    side: int | None = None  # of pictures that are no files: where all are squares of one size

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
        return replace(
            self,
            labels=self.labels[rows],
            sources=[self.sources[i] for i in rows],
            open_picture=partial(open_row, self.open_picture, rows),
            content=partial(row_content, self.content, rows),
            facts=None if self.facts is None else Facts(*(fact[rows] for fact in self.facts)),
            fitted=None if self.fitted is None else self.fitted[rows],
        )

    @property
    def common_side(self) -> int | None:
        """The side of the pictures where all are squares of one size; None where they are not, or
        where that is not known without opening them.
        """
        if self.facts is None:
            return self.side
        sides = np.unique(self.facts.sizes)
        return int(sides[0]) if len(sides) == 1 else None

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
        """The i-th picture as uint8 (size, size, 3), from the cache or read anew."""
        # At twice the size or more, the filter of `fit_square` still has pixels to average.
        side = 2 * size
        reduced = self.reduced and self.facts is not None and self.facts.sizes[i].min() >= 2 * side

        def read() -> NDArray[np.uint8]:
            picture = self.open_picture(i, side) if reduced else self.open_picture(i)
            return fit_square(picture, size, self.fit)

        if self.cache is None or self.facts is None:
            return read()
        name = self.cache.name(self.content(i), size, self.fit, reduced)
        pixels = self.cache.get(name)
        if pixels is None:
            pixels = read()
            self.cache.put(name, pixels)
        return pixels


@dataclass(frozen=True)
class DataSet:
    """A data set: class names in order, its splits (train, and valid and test where it has them),
    the picture size it suggests, and whether a mirrored picture keeps its class.

    `root` is the folder that the sources are told from, where these are files or lie in files;
    `left_out` are the files of a folder that are in no split, `notes` tell how it was read.
    """

    name: str
    class_names: list[str]
    splits: dict[str, Split]
    image_size: int
    flip: bool = True
    left_out: Sequence[LeftOut] = field(default=(), repr=False)
    notes: Sequence[str] = ()
    root: Path | None = None

    def with_fit(self, fit: Fit) -> DataSet:
        """The same data set, its pictures fitted into squares in this way."""
        return replace(self, splits={n: split.with_fit(fit) for n, split in self.splits.items()})

    def with_cache(self, cache: FittedCache) -> DataSet:
        """The same data set, its pictures kept in this cache once they are fitted."""
        splits = {n: replace(split, cache=cache) for n, split in self.splits.items()}
        return replace(self, splits=splits)

    def evaluation_split(self) -> str:
        """The split that final figures are measured on: test, valid without one, or any."""
        return min(self.splits, key=lambda name: {"test": 0, "valid": 1}.get(name, 2))
