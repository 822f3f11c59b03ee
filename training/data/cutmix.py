"""CutMix (Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers): a box of each
picture of a batch comes from another one, and the loss counts both labels by their areas.

An embedding is the mean over locations, so the two prototypes' mixture is just what the picture
should give, with every location speaking for what lies there. The other picture is one of the same
micro-batch: accumulation and several processes see other pairs than one process does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from training.data.augment import generator

WHOLE = 0.15  # the last epochs, as a share of all, see whole pictures only: those are asked for


class Box(NamedTuple):
    """What comes from the other picture, in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    def share(self, size: int) -> float:
        """Of the area of a picture of `size` × `size`, what stays."""
        return 1 - (self.bottom - self.top) * (self.right - self.left) / size**2


def draw_box(often: float, size: int, *key: int) -> Box | None:
    """A step's box, which depends on the key (seed, epoch, step) alone; None for 1 − `often` of
    the steps. Its area is uniform, its centre too; what falls outside of the picture is cut.
    """
    does, area, row, col = torch.rand(4, generator=generator(*key, 1)).tolist()
    if does >= often:
        return None
    half = area**0.5 * size / 2
    (top, bottom), (left, right) = (
        (max(round(at * size - half), 0), min(round(at * size + half), size)) for at in (row, col)
    )
    return Box(top, bottom, left, right)


def mix(pixels: Tensor, labels: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Pixels (N, 3, S, S) with the box of the picture before, and the labels (N,) of that one."""
    mixed = pixels.clone()
    rows, cols = slice(box.top, box.bottom), slice(box.left, box.right)
    mixed[:, :, rows, cols] = pixels.roll(1, 0)[:, :, rows, cols]
    return mixed, labels.roll(1, 0)
