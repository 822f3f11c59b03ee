"""The bundle: a folder that holds a model and everything its explanations need.

Every file stands in manifest.json with its SHA-256, and the fingerprint covers the manifest
itself, so one flipped byte anywhere is found. Nothing in a bundle is ever executed: arrays load
with `allow_pickle=False`, and no library sees a byte before its hash was checked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from interpret.bundle.arrays import array_bytes, read_array
from interpret.bundle.atomic_files import replace_folder, temporary_sibling
from interpret.bundle.errors import BundleError, UnknownExampleError, UnknownLabelError
from interpret.bundle.gallery_files import (
    GalleryWriter,
    read_gallery,
    thumbnail_files,
    thumbnails_name,
)
from interpret.bundle.gallery_table import GalleryPart, GalleryTable, parts_of
from interpret.bundle.manifest import FORMAT_VERSION, FileEntry, Manifest
from interpret.bundle.search_index import SearchIndex
from interpret.bundle.verified_files import Content, HashedFile, HeldFile, opened, verified

MANIFEST = "manifest.json"
CARD = "README.md"  # for people; not part of what is verified
FILES = (
    "model.onnx",
    "prototypes.npy",
    "embeddings.npy",
    "gallery.parquet",
    "thumbnails.bin",
    "weights.safetensors",
)
FEATURES = "features.npy"  # optional: the gallery's pooled features, for teaching
INDEX = "index.faiss"  # of a large gallery
NORM_TOLERANCE = 1e-4  # relative: float32 rounding of a norm, nothing more


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. Arrays are float32: prototypes (M, d), embeddings (G, d)."""

    path: Path
    manifest: Manifest
    prototypes: NDArray[np.float32] = field(repr=False)
    embeddings: NDArray[np.float32] = field(repr=False)
    gallery: GalleryTable = field(repr=False)
    index: HeldFile | None = field(default=None, repr=False)  # of a gallery with manifest.search

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read and verify a bundle; raises BundleError that names the file at fault."""
        path = Path(path)
        manifest = _read_manifest(path)
        # Every file is hashed here, the ones that are only needed later too. Further files of
        # thumbnails may be many times as large as all others: each waits for its first picture.
        pictures = thumbnail_files(path, manifest.files)
        later = set(map(thumbnails_name, range(1, len(pictures))))
        content = {
            name: verified(path, name, entry)
            for name, entry in manifest.files.items()
            if name not in later and name != INDEX
        }
        index = HeldFile(path, INDEX, manifest.files[INDEX]) if INDEX in manifest.files else None
        prototypes = read_array(path / "prototypes.npy", content["prototypes.npy"], "float32")
        embeddings = read_array(path / "embeddings.npy", content["embeddings.npy"], "float32")
        gallery = read_gallery(
            path / "gallery.parquet", content["gallery.parquet"], pictures, manifest.class_names
        )
        if FEATURES in content:
            _read_features(path, content[FEATURES], len(gallery.ids))
        bundle = cls(path, manifest, prototypes, embeddings, gallery, index)
        bundle._check_shapes()
        return bundle

    def read(self, name: str) -> bytes:
        """The bytes of one file, verified again as they are read."""
        return bytes(verified(self.path, name, self.manifest.files[name]))

    @property
    def has_features(self) -> bool:
        """Whether the bundle has the pooled features of its gallery."""
        return FEATURES in self.manifest.files

    def features(self) -> NDArray[np.float16] | None:
        """The gallery's pooled features (G, F), read anew; None for a bundle without them."""
        if not self.has_features:
            return None
        return _read_features(self.path, self.read(FEATURES), len(self.gallery.ids))

    def class_index(self, label: str) -> int:
        """The index of a class name; raises UnknownLabelError that lists the known ones."""
        try:
            return self.manifest.class_names.index(label)
        except ValueError:
            known = ", ".join(self.manifest.class_names[:20])
            more = len(self.manifest.class_names) - 20
            raise UnknownLabelError(
                f"no class {label!r}; the classes are {known}"
                + (f" and {more} more" if more > 0 else "")
            ) from None

    def gallery_row(self, example_id: int) -> int:
        """The row of a gallery id; raises UnknownExampleError."""
        [row] = self.gallery.rows_of(np.array([example_id])).tolist()
        if row < 0:
            raise UnknownExampleError(f"no training image {example_id} in the gallery")
        return int(row)

    @property
    def next_gallery_id(self) -> int:
        """An id that neither this bundle nor one of its parents has given to a training image."""
        largest = int(self.gallery.ids.max(initial=-1))
        return max(largest + 1, self.manifest.next_gallery_id or 0)

    def _check_shapes(self) -> None:
        manifest, shape = self.manifest, self.prototypes.shape
        expected = (len(manifest.class_names), manifest.embedding_dim)
        if shape != expected:
            raise BundleError(f"{self.path / 'prototypes.npy'}: shape {shape}, not {expected}")
        norms, radius = np.linalg.norm(self.prototypes, axis=1), manifest.radius
        if radius is not None and not np.allclose(norms, radius, rtol=NORM_TOLERANCE):
            raise BundleError(
                f"{self.path / 'prototypes.npy'}: norms from {norms.min():.4g} to "
                f"{norms.max():.4g}, not all {radius:g}"
            )
        expected = (len(self.gallery.ids), manifest.embedding_dim)
        if self.embeddings.shape != expected:
            raise BundleError(
                f"{self.path / 'embeddings.npy'}: shape {self.embeddings.shape}, not {expected}"
            )
        if (self.index is None) != (manifest.search is None):
            raise BundleError(f"{self.path / MANIFEST}: search and {INDEX} do not go together")


# Writes the index of a gallery, embeddings (G, d) with ids (G,), and says what it is; None for a
# gallery that is searched exactly.
IndexWriter = Callable[[NDArray[np.float32], NDArray[np.int64], HashedFile], SearchIndex | None]


def write_bundle(
    path: str | Path,
    manifest: Manifest,
    *,
    model: bytes,
    prototypes: NDArray[np.float32],
    embeddings: NDArray[np.float32],
    gallery: GalleryTable,
    weights: bytes,
    features: NDArray[np.floating] | None = None,
    index: IndexWriter | None = None,
) -> Bundle:
    """`write_parts` with a gallery that is in memory."""
    if len(embeddings) != len(gallery.ids):
        raise BundleError(f"{len(embeddings)} embeddings for a gallery of {len(gallery.ids)}")
    return write_parts(
        path,
        manifest,
        model=model,
        prototypes=prototypes,
        gallery=parts_of(gallery, embeddings),
        weights=weights,
        features=features,
        index=index,
    )


def write_parts(
    path: str | Path,
    manifest: Manifest,
    *,
    model: bytes,
    prototypes: NDArray[np.float32],
    gallery: Iterable[GalleryPart],
    weights: bytes,
    features: NDArray[np.floating] | None = None,
    index: IndexWriter | None = None,
) -> Bundle:
    """Write a bundle, verify it, and only then put it at `path`, in one rename.

    An existing bundle at `path` is replaced, but for its model card; a crash at any moment leaves
    either the old or the new one, whole. `manifest` comes without `files` and `fingerprint`.
    `features` are the gallery's pooled ones (G, F), kept in half precision; None keeps none.
    Raises BundleError when `path` is something else than a bundle.
    """
    path = Path(path).resolve()  # through a link: what it points to is replaced, not the link
    if path.exists() and not (path / MANIFEST).exists():
        raise BundleError(f"{path} exists and is no bundle (it has no {MANIFEST}); not replaced")
    content = {
        "model.onnx": model,
        "prototypes.npy": array_bytes(prototypes),
        "weights.safetensors": weights,
    }
    if features is not None:
        content[FEATURES] = array_bytes(features, np.float16)
    with temporary_sibling(path) as folder:
        entries: dict[str, FileEntry] = {}
        with GalleryWriter(folder, manifest.class_names, manifest.embedding_dim) as writer:
            for part in gallery:
                writer.add(part)
            entries |= writer.finish()
        for name, data in content.items():
            with HashedFile(folder / name) as file:
                file.write(data)
            entries[name] = file.entry
        search = None
        if index is not None:
            with HashedFile(folder / INDEX) as file:
                embeddings = _embeddings(folder, entries["embeddings.npy"])
                search = index(embeddings, writer.ids, file)
            if search is None:
                (folder / INDEX).unlink()
            else:
                entries[INDEX] = file.entry
        _write_manifest(folder, manifest, entries, search)
        if (path / CARD).is_file():
            shutil.copyfile(path / CARD, folder / CARD)
        bundle = Bundle.load(folder)
        for pictures in thumbnail_files(folder, entries):
            pictures.content  # noqa: B018 - those that loading leaves for later are checked, too
        replace_folder(folder, path)
    return replace(bundle, path=path)


def _embeddings(folder: Path, entry: FileEntry) -> NDArray[np.float32]:
    content = opened(folder, "embeddings.npy", entry)
    return read_array(folder / "embeddings.npy", content, "float32")


def _write_manifest(
    folder: Path, manifest: Manifest, files: Mapping[str, FileEntry], search: SearchIndex | None
) -> None:
    """Write manifest.json with the files, the index and the fingerprint."""
    update = {"files": dict(sorted(files.items())), "fingerprint": "", "search": search}
    draft = manifest.model_copy(update=update)
    fingerprint = _sha256(_manifest_text(draft).encode())
    final = draft.model_copy(update={"fingerprint": fingerprint})
    (folder / MANIFEST).write_bytes(_manifest_text(final).encode())


def _manifest_text(manifest: Manifest) -> str:
    return json.dumps(manifest.model_dump(by_alias=True), indent=2, ensure_ascii=False) + "\n"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}; is {path} a bundle?") from error
    try:
        document: dict[str, Any] = json.loads(raw)
        version, fingerprint = document["format_version"], str(document["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{file}: not a bundle's manifest ({error})") from error
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{file}: format version {version!r}; this release reads version {FORMAT_VERSION}"
        )
    # The fingerprint hashes the manifest's own bytes with the fingerprint itself left out.
    if _sha256(raw.replace(fingerprint.encode(), b"", 1)) != fingerprint:
        raise BundleError(f"{file}: changed since it was written (fingerprint does not match)")
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise BundleError(f"{file}: {where}: {problem['msg']}") from error
    for name in FILES:
        if name not in manifest.files:
            raise BundleError(f"{file}: does not list {name}")
    return manifest


def _read_features(path: Path, content: Content, rows: int) -> NDArray[np.float16]:
    array: NDArray[np.float16] = read_array(path / FEATURES, content, "float16")
    if len(array) != rows:
        raise BundleError(f"{path / FEATURES}: {len(array)} rows for a gallery of {rows}")
    return array
