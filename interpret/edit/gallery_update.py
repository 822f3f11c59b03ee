"""A gallery changed without training: pictures added and removed, the network left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interpret.bundle.bundle import Bundle, IndexWriter
from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_place import check_mode
from interpret.bundle.gallery_table import GalleryPart, parts_of
from interpret.bundle.manifest import GalleryMode
from interpret.edit.changed_bundle import write_changed
from interpret.edit.gallery_shards import Shards
from interpret.edit.new_pictures import (
    Copy,
    extended_features,
    picture_files,
    read_pictures,
    without_copies,
)


class UpdatedGallery(NamedTuple):
    """The bundle that was written, and the pictures left out of it."""

    bundle: Bundle
    copies: list[Copy]
    without_embedding: int = 0  # rows of shards
    only_answered: int = 0  # rows of a batch job whose label is the model's answer
    unrecognised: int = 0  # rows of a batch job that are left out: they have no class


def update_gallery(
    bundle: Bundle,
    added: Mapping[str, Path | Sequence[Path]],
    removed: Sequence[int],
    out: Path,
    *,
    shards: Path | None = None,
    mode: GalleryMode | None = None,
    url: str | None = None,
    index: IndexWriter | None = None,
    strict: bool = False,
) -> UpdatedGallery:
    """Write a bundle whose gallery lacks the ids `removed`, and has the pictures of the folders
    `added`, by label, but for those that it has already, and the rows of the Parquet files below
    `shards`, as they are. `mode` and `url` say where its pictures are from now on; None leaves
    that as it is. `index` is as in `write_changed`. A picture that cannot be read is named in the
    log and skipped, or with `strict` an error.

    Raises UnknownLabelError, UnknownExampleError, ImageError, and DpnpError when that would change
    nothing, or for bad shards.
    """
    places = _places(bundle, mode, url)
    keep = np.ones(len(bundle.gallery.ids), bool)
    keep[[bundle.gallery_row(example) for example in removed]] = False
    rows, first = np.flatnonzero(keep), bundle.next_gallery_id
    imported = None if shards is None else Shards(shards, bundle)
    labels = _labels(bundle, added)
    copies: list[Copy] = []
    gallery = [parts_of(bundle.gallery, bundle.embeddings, rows)]
    number, features = 0, extended_features(bundle, rows)
    if labels:
        found = read_pictures(bundle, list(labels), strict=strict)
        fresh, copies = without_copies(found, parts_of(bundle.gallery, bundle.embeddings, rows))
        number, new = len(fresh), found.part(fresh)
        table = new.table([labels[file] for file in new.files], first)
        gallery.append(iter([GalleryPart(table, new.prediction.embedding)]))
        features = extended_features(bundle, rows, new)
    if imported is not None:
        gallery.append(imported.parts(first + number))
        number += imported.rows
        features = None  # the shards have none
    if not number and not removed and not places:
        raise DpnpError(f"{_why_nothing(copies)}: nothing to change")
    what = f"gallery: {number} pictures added, {len(set(removed))} removed"
    if mode is not None:
        what += f"; its pictures: {mode}"
    written = write_changed(
        bundle,
        out,
        what,
        places,
        chain.from_iterable(gallery),
        features=features,
        next_id=first + number if number else None,
        index=index,
    )
    if imported is None:
        return UpdatedGallery(written, copies)
    counts = imported.left_out, imported.only_answered, imported.unrecognised
    return UpdatedGallery(written, copies, *counts)


def _labels(bundle: Bundle, added: Mapping[str, Path | Sequence[Path]]) -> dict[Path, int]:
    """The class of each picture in the folders, one or several for a label."""
    labels: dict[Path, int] = {}
    for label, folders in added.items():
        index = bundle.class_index(label)
        for folder in [folders] if isinstance(folders, Path) else folders:
            for file in picture_files(folder):
                if labels.setdefault(file, index) != index:
                    raise DpnpError(f"{file}: given to two classes, {label!r} is one of them")
    return labels


def _places(bundle: Bundle, mode: GalleryMode | None, url: str | None) -> dict[str, object]:
    """What the manifest says of where the gallery's pictures are; empty if that stays as it is."""
    if mode is None:
        return {}
    check_mode(mode, url)
    today = bundle.manifest.gallery_mode
    if mode != today == "none" or mode == "pictures" != today:
        raise DpnpError(f"--gallery-mode {mode}: the bundle has no pictures to show")
    return {"gallery_mode": mode, "gallery_url": url}


def _why_nothing(copies: Sequence[Copy]) -> str:
    if not copies:
        return "the shards have no rows"
    if len(copies) == 1:
        return f"{copies[0].file} is in the gallery already"
    return f"all {len(copies):,} pictures are in the gallery already"
