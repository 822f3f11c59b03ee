"""Pictures that come into a gallery: read, embedded, and told from those that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import ImageError
from interpret.bundle.gallery_table import GalleryPart, GalleryTable, pixel_hash
from interpret.model.images import Preprocessing, open_image, thumbnail
from interpret.model.picture_files import as_text, pictures_in
from interpret.model.predictor import Prediction, Predictor, concatenated
from interpret.model.reading import read_each

CHUNK = 256  # pictures decoded and embedded at a time: a bounded part of the memory
SPLIT = "added"  # of the gallery rows made here
# Of an embedding's norm: what INT8 or another machine may change in the same picture's embedding.
_SAME_EMBEDDING = 0.05


class NewPictures(NamedTuple):
    """Picture files with what a gallery keeps of them, and what the network says of them."""

    files: Sequence[Path]
    thumbnails: Sequence[bytes]
    pixel_hashes: Sequence[str]
    prediction: Prediction  # without evidence

    def part(self, rows: Sequence[int]) -> NewPictures:
        """Some of the pictures."""
        return NewPictures(
            [self.files[row] for row in rows],
            [self.thumbnails[row] for row in rows],
            [self.pixel_hashes[row] for row in rows],
            self.prediction.part(np.asarray(rows, np.int64)),
        )

    def table(self, labels: Sequence[int], first_id: int) -> GalleryTable:
        """Gallery rows of the pictures, with their classes' indices; ids count from `first_id`."""
        return GalleryTable(
            np.arange(first_id, first_id + len(self.files)),
            np.asarray(labels, np.int64),
            [SPLIT] * len(self.files),
            [as_text(f"{file.parent.name}/{file.name}") for file in self.files],
            self.thumbnails,
            self.pixel_hashes,
        )


class Copy(NamedTuple):
    """A new picture that is not needed, and where its pixels are already."""

    file: Path
    place: str  # "training image 17", or the file of another new picture


def picture_files(folder: Path) -> list[Path]:
    """The pictures below a folder, sorted. Raises ImageError when there are none."""
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    files = pictures_in(folder)
    if not files:
        raise ImageError(f"{folder}: no pictures in it")
    return files


def read_pictures(bundle: Bundle, files: Sequence[Path], *, strict: bool = False) -> NewPictures:
    """Decode and embed picture files; a bad one is named in the log and skipped.

    Raises ImageError when none can be read; with `strict`, for the first one that cannot.
    """
    predictor = Predictor(bundle, pooled=bundle.has_features)
    fitted = Preprocessing.of(bundle.manifest)

    def read(file: Path) -> tuple[bytes, NDArray[np.uint8]]:
        picture = open_image(file)
        return thumbnail(picture), fitted(picture)

    good: list[Path] = []
    thumbnails: list[bytes] = []
    hashes: list[str] = []
    predictions = []
    for start in range(0, len(files), CHUNK):
        part, title = files[start : start + CHUNK], f"pictures from {start:,}"
        chunk = read_each(read, part, title, strict=strict)
        if not chunk:
            continue
        good += [file for file, _ in chunk]
        thumbnails += [small for _, (small, _) in chunk]
        hashes += [pixel_hash(pixels) for _, (_, pixels) in chunk]
        predictions.append(predictor(np.stack([pixels for _, (_, pixels) in chunk])))
    if not good:
        raise ImageError(f"none of {len(files):,} pictures can be read")
    return NewPictures(good, thumbnails, hashes, concatenated(predictions))


def extended_features(
    bundle: Bundle, rows: NDArray[np.int64], new: NewPictures | None = None
) -> NDArray[np.floating] | None:
    """The pooled features of some rows of the gallery and of new pictures after them; None for a
    bundle without features.
    """
    found = bundle.features()
    if found is None:
        return None
    kept = found[rows]
    if new is None or new.prediction.pooled is None:
        return kept
    return np.concatenate([kept, new.prediction.pooled.astype(np.float16)])


def without_copies(
    new: NewPictures, gallery: Iterable[GalleryPart]
) -> tuple[list[int], list[Copy]]:
    """The rows of the new pictures to keep, and the copies: pictures whose pixels, as the network
    sees them, are in the gallery or come earlier among the new ones.

    Gallery rows without a hash, of older bundles, hold a copy when the thumbnails are the same
    byte for byte and the embeddings are nearly the same.
    """
    hashes, thumbnails = set(new.pixel_hashes), set(new.thumbnails)
    places: dict[str, str] = {}
    unhashed: dict[bytes, list[tuple[str, NDArray[np.float32]]]] = {}
    for table, embeddings in gallery:
        # Only what may be a copy is kept: the gallery may be large.
        rows = zip(table.pixel_hashes, table.thumbnails, table.ids, embeddings, strict=True)
        for digest, content, example, embedding in rows:
            if digest is None and content in thumbnails:
                named = f"training image {example}", embedding
                unhashed.setdefault(content, []).append(named)
            elif digest in hashes:
                places[str(digest)] = f"training image {example}"
    kept, copies = [], []
    for i, (file, digest) in enumerate(zip(new.files, new.pixel_hashes, strict=True)):
        place = places.get(digest)
        own = new.prediction.embedding[i]
        for other, embedding in unhashed.get(new.thumbnails[i], ()) if place is None else ():
            if np.linalg.norm(embedding - own) <= _SAME_EMBEDDING * np.linalg.norm(own):
                place = other
                break
        if place is None:
            kept.append(i)
            places[digest] = str(file)
        else:
            copies.append(Copy(file, place))
    return kept, copies
