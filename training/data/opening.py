"""A split's pictures and their contents, one at a time.

Plain functions, not closures: worker processes get them pickled on some systems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.model.images import open_image


def open_row(
    open_picture: Callable[..., Image.Image], rows: NDArray[np.integer], i: int, *side: int
) -> Image.Image:
    """The i-th of the rows of another split."""
    return open_picture(int(rows[i]), *side)


def row_content(content: Callable[[int], bytes], rows: NDArray[np.integer], i: int) -> bytes:
    """The content of the i-th of the rows of another split."""
    return content(int(rows[i]))


def open_array(images: NDArray[np.uint8], i: int) -> Image.Image:
    """The i-th of pictures in memory, as RGB."""
    return Image.fromarray(images[i]).convert("RGB")


def array_content(images: NDArray[np.uint8], i: int) -> bytes:
    """The pixels of the i-th of pictures in memory."""
    pixels: NDArray[np.uint8] = images[i]
    return pixels.tobytes()


def open_file(files: Sequence[Path], i: int, side: int | None = None) -> Image.Image:
    """The i-th of picture files; for `side` see `decode`."""
    return open_image(files[i], side=side)


def digest_bytes(digests: NDArray[np.uint64], i: int) -> bytes:
    """The i-th of the files' digests."""
    return int(digests[i]).to_bytes(8, "little")
