"""Where the gallery's pictures are: inside the bundle, behind a URL prefix, or nowhere.

A gallery without pictures still has its embeddings, labels and sources, so distances and
neighbours stay; only the pictures cannot be shown.
"""

from __future__ import annotations

import dataclasses
import io
from functools import cache
from pathlib import Path

from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import GalleryTable
from interpret.bundle.manifest import GalleryMode, Manifest
from interpret.model.images import decode, thumbnail
from interpret.model.picture_formats import media_type

_GREY = (225, 225, 225)


def thumbnails_folder(out: Path) -> Path:
    """Where the thumbnails of a remote gallery are written, to be uploaded: beside the bundle."""
    return out.parent / f"{out.name}-thumbnails"


def without_pictures(table: GalleryTable, mode: GalleryMode, out: Path) -> GalleryTable:
    """The table as a bundle at `out` keeps it in this mode.

    For a remote gallery the thumbnails that are there are written as ID.webp into the folder
    beside the bundle.
    """
    if mode == "pictures":
        return table
    if mode == "remote" and any(table.thumbnails):
        folder = thumbnails_folder(out)
        folder.mkdir(parents=True, exist_ok=True)
        for example, content in zip(table.ids.tolist(), table.thumbnails, strict=True):
            if content:
                (folder / f"{example}.webp").write_bytes(_as_webp(content))
    return dataclasses.replace(table, thumbnails=[b""] * len(table.ids))


def remote_address(manifest: Manifest, example: int) -> str:
    """The URL of a training image's thumbnail, for a gallery that is remote."""
    return f"{manifest.gallery_url}{example}.webp"


def thumbnail_path(bundle: Bundle, row: int) -> str | None:
    """Where the service has the thumbnail of a gallery row; None where there is none."""
    table, mode = bundle.gallery, bundle.manifest.gallery_mode
    there = mode == "remote" or (mode == "pictures" and table.has_picture(row))
    return f"/gallery/{table.ids[row]}" if there else None


def shown(content: bytes) -> bytes:
    """A thumbnail as it is shown: a grey square where the bundle has no picture."""
    return content or _nothing()


def _as_webp(content: bytes) -> bytes:
    return content if media_type(content) == "image/webp" else thumbnail(decode(content))


@cache
def _nothing() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), _GREY).save(buffer, "PNG")
    return buffer.getvalue()
