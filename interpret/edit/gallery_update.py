"""A gallery changed without training: pictures added and removed, the network left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_place import check_mode
from interpret.bundle.manifest import GalleryMode
from interpret.edit.changed_bundle import write_changed
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


def update_gallery(
    bundle: Bundle,
    added: Mapping[str, Path],
    removed: Sequence[int],
    out: Path,
    *,
    mode: GalleryMode | None = None,
    url: str | None = None,
) -> UpdatedGallery:
    """Write a bundle whose gallery lacks the ids `removed` and has the pictures of the folders
    `added`, by label, but for those that it has already. `mode` and `url` say where its pictures
    are from now on; None leaves that as it is.

    Raises UnknownLabelError, UnknownExampleError, ImageError, and DpnpError when that would change
    nothing.
    """
    places: dict[str, object] = {}
    if mode is not None:
        check_mode(mode, url)
        if mode != bundle.manifest.gallery_mode == "none" or (
            mode == "pictures" != bundle.manifest.gallery_mode
        ):
            raise DpnpError(f"--gallery-mode {mode}: the bundle has no pictures to show")
        places = {"gallery_mode": mode, "gallery_url": url}
    keep = np.ones(len(bundle.gallery.ids), bool)
    keep[[bundle.gallery_row(example) for example in removed]] = False
    rows = np.flatnonzero(keep)
    table, embeddings = bundle.gallery.rows(rows), bundle.embeddings[rows]
    labels: dict[Path, int] = {}
    for label, folder in added.items():
        for file in picture_files(folder):
            labels.setdefault(file, bundle.class_index(label))
    copies: list[Copy] = []
    number, features = 0, extended_features(bundle, rows)
    if labels:
        found = read_pictures(bundle, list(labels))
        fresh, copies = without_copies(found, table, embeddings)
        number = len(fresh)
        new = found.part(fresh)
        own = [labels[file] for file in new.files]
        table = table.extended(new.table(own, bundle.next_gallery_id))
        embeddings = np.concatenate([embeddings, new.prediction.embedding])
        features = extended_features(bundle, rows, new)
    if not number and not removed and not places:
        many = f"all {len(copies):,} pictures are" if len(copies) != 1 else f"{copies[0].file} is"
        raise DpnpError(f"{many} in the gallery already: nothing to change")
    what = f"gallery: {number} pictures added, {len(removed)} removed"
    if mode is not None:
        what += f"; its pictures: {mode}"
    written = write_changed(bundle, out, what, places, table, embeddings, features=features)
    return UpdatedGallery(written, copies)
