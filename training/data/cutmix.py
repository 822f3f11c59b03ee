"""CutMix (Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers): a box of each
picture of a batch comes from another one, and the loss counts both labels by their areas.

An embedding is the mean over locations. So the mixture of two prototypes is what a mixed picture
should give, and every location speaks for what lies there. The other picture is one of the same
micro-batch: accumulation and several processes see other pairs than one process does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from training.data.augment import generator

WHOLE = 0.15  # the last epochs, as a share of all, see whole pictures only: those are asked for


class Box(NamedTuple):
    """The part of a picture that comes from another one, in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    def share(self, size: int) -> float:
        """The share of the area that is left of a picture of `size` × `size`."""
        return 1 - (self.bottom - self.top) * (self.right - self.left) / size**2


def probability(cutmix: float, epoch: int, warmup_epochs: int, epochs: int) -> float:
    """The share of an epoch's steps that mix pictures: `cutmix`, and 0 in the last epochs."""
    return cutmix if epoch < warmup_epochs + epochs - WHOLE * epochs else 0.0


def draw_box(probability: float, size: int, *key: int) -> Box | None:
    """A step's box, which depends on the key (seed, epoch, step) alone; None for a step that mixes
    nothing. The box's area is uniform, its centre too; what falls outside of the picture is cut.
    """
    if not probability:
        return None
    drawn, area, row, col = torch.rand(4, generator=generator(*key, 1)).tolist()
    if drawn >= probability:
        return None
    half = area**0.5 * size / 2
    (top, bottom), (left, right) = (
        (max(round(at * size - half), 0), min(round(at * size + half), size)) for at in (row, col)
    )
    return Box(top, bottom, left, right)


def cut_and_mix(pixels: Tensor, labels: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Pixels (N, 3, S, S) with the box of the picture before, and the labels (N,) of that one."""
    mixed = pixels.clone()
    rows, cols = slice(box.top, box.bottom), slice(box.left, box.right)
    mixed[:, :, rows, cols] = pixels.roll(1, 0)[:, :, rows, cols]
    return mixed, labels.roll(1, 0)


def mixed_terms(
    terms: dict[str, Tensor], others: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """The loss terms of mixed pictures: `terms` of the first labels at their `share` of the area,
    `others` of the labels of the boxes at the rest.
    """
    return {name: share * term + (1 - share) * others[name] for name, term in terms.items()}
