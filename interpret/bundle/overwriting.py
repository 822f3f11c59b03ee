"""Bundles that exist are not replaced without being asked to."""

from __future__ import annotations

import tempfile
from pathlib import Path

from interpret.bundle.errors import BundleError

_MANIFEST = "manifest.json"


def check_out(path: Path, *, force: bool) -> None:
    """Raise BundleError when a bundle written at `path` would destroy what lies there.

    A bundle may be replaced with `force`; anything else but an empty place never is; nor is a
    bundle written where no folder can be made. Commands call this before their long work.
    """
    if not path.exists():
        there = next(each for each in path.absolute().parents if each.exists())
        try:
            Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=there)).rmdir()
        except OSError as error:
            raise BundleError(f"--out {path}: cannot be written ({error.strerror})") from error
        return
    if not (path / _MANIFEST).exists():
        raise BundleError(f"--out {path}: exists and is no bundle; choose another place")
    if not force:
        raise BundleError(f"--out {path}: a bundle is there already; --force replaces it")
