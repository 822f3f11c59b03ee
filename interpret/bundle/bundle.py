"""The bundle: a folder that holds a model and everything its explanations need.

Every file stands in manifest.json with its SHA-256, and the fingerprint covers the manifest
itself, so one flipped byte anywhere is found. Nothing in a bundle is ever executed: arrays load
with `allow_pickle=False`, and no library sees a byte before its hash was checked.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from interpret.bundle.atomic_files import replace_folder, temporary_sibling
from interpret.bundle.errors import BundleError, UnknownExampleError, UnknownLabelError
from interpret.bundle.gallery_table import GalleryTable, gallery_bytes, read_gallery
from interpret.bundle.manifest import FORMAT_VERSION, FileEntry, Manifest

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
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NORM_TOLERANCE = 1e-4  # relative: float32 rounding of a norm, nothing more


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. Arrays are float32: prototypes (M, d), embeddings (G, d)."""

    path: Path
    manifest: Manifest
    prototypes: NDArray[np.float32] = field(repr=False)
    embeddings: NDArray[np.float32] = field(repr=False)
    gallery: GalleryTable = field(repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read and verify a bundle; raises BundleError that names the file at fault."""
        path = Path(path)
        manifest = _read_manifest(path)
        # Every file is hashed here, the ones that are only needed later too.
        content = {name: _verified(path, name, entry) for name, entry in manifest.files.items()}
        prototypes = _read_array(path, "prototypes.npy", content)
        embeddings = _read_array(path, "embeddings.npy", content)
        gallery = read_gallery(
            path / "gallery.parquet",
            content["gallery.parquet"],
            content["thumbnails.bin"],
            manifest.class_names,
        )
        if FEATURES in content:
            _read_features(path, content[FEATURES], len(gallery.ids))
        bundle = cls(path, manifest, prototypes, embeddings, gallery)
        bundle._check_shapes()
        return bundle

    def read(self, name: str) -> bytes:
        """The bytes of one file, verified again as they are read."""
        return _verified(self.path, name, self.manifest.files[name])

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
        rows = np.flatnonzero(self.gallery.ids == example_id)
        if not len(rows):
            raise UnknownExampleError(f"no training image {example_id} in the gallery")
        return int(rows[0])

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
        "prototypes.npy": _array_bytes(prototypes),
        "embeddings.npy": _array_bytes(embeddings),
        "gallery.parquet": gallery_bytes(gallery, manifest.class_names),
        "thumbnails.bin": b"".join(gallery.thumbnails),
        "weights.safetensors": weights,
    }
    if features is not None:
        content[FEATURES] = _array_bytes(features, np.float16)
    entries = {name: FileEntry(sha256=_sha256(b), size=len(b)) for name, b in content.items()}
    draft = manifest.model_copy(update={"files": entries, "fingerprint": ""})
    fingerprint = _sha256(_manifest_text(draft).encode())
    final = draft.model_copy(update={"fingerprint": fingerprint})
    content[MANIFEST] = _manifest_text(final).encode()
    with temporary_sibling(path) as folder:
        for name, data in content.items():
            (folder / name).write_bytes(data)
        if (path / CARD).is_file():
            shutil.copyfile(path / CARD, folder / CARD)
        bundle = Bundle.load(folder)
        replace_folder(folder, path)
    return replace(bundle, path=path)


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


def _verified(path: Path, name: str, entry: FileEntry) -> bytes:
    file = path / name
    if not _PLAIN_NAME.fullmatch(name):
        raise BundleError(f"{path / MANIFEST}: {name!r} is not a plain file name")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}") from error
    if len(data) != entry.size or _sha256(data) != entry.sha256:
        raise BundleError(f"{file}: changed since it was written (SHA-256 does not match)")
    return data


def _array_bytes(array: NDArray[np.floating], kind: type[np.floating] = np.float32) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, dtype=kind), allow_pickle=False)
    return buffer.getvalue()


def _read_array(path: Path, name: str, content: Mapping[str, bytes]) -> NDArray[np.float32]:
    return _array(path / name, content[name], "float32")


def _read_features(path: Path, content: bytes, rows: int) -> NDArray[np.float16]:
    array: NDArray[np.float16] = _array(path / FEATURES, content, "float16")
    if len(array) != rows:
        raise BundleError(f"{path / FEATURES}: {len(array)} rows for a gallery of {rows}")
    return array


def _array(file: Path, content: bytes, kind: str) -> NDArray[Any]:
    try:
        # Not np.load: that would open archives and pickles too.
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise BundleError(f"{file}: not a NumPy array ({error})") from error
    if array.dtype != kind or array.ndim != 2 or not np.isfinite(array).all():
        raise BundleError(
            f"{file}: {array.dtype} of {array.ndim} dimensions, not finite {kind} of 2"
        )
    result: NDArray[Any] = array
    return result
