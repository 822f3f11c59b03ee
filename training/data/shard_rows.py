"""What the index of a shard tells of its pictures without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ShardRows(NamedTuple):
    """The pictures of a shard, in its order."""

    places: NDArray[np.int64]  # (n, 2): offset and size in an archive; row group and row in Parquet
    labels: Sequence[str]
    names: Sequence[str]
    class_names: Sequence[str] | None = None  # of labels that are numbers, where the shard tells
