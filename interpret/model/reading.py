"""Many picture files at once, of which some may be bad."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from interpret.bundle.errors import ImageError
from interpret.model.picture_files import as_text
from interpret.model.progress import parallel_map

_LOG = logging.getLogger(__name__)

Result = TypeVar("Result")


def read_each(
    read: Callable[[Path], Result], files: Sequence[Path], title: str, *, strict: bool = False
) -> list[tuple[Path, Result]]:
    """`read` of every file, in order and in threads, under a progress bar.

    A file for which `read` raises ImageError is named in the log and skipped; with `strict` the
    first one's error is raised.
    """

    def result(file: Path) -> Result | ImageError:
        try:
            return read(file)
        except ImageError as error:
            return error

    good = []
    for file, found in zip(files, parallel_map(result, files, title), strict=True):
        if isinstance(found, ImageError):
            if strict:
                raise found
            _LOG.warning("skipped %s", as_text(str(found)))
        else:
            good.append((file, found))
    return good
