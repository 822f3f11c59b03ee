"""Augmentation per batch on the device, from numbers drawn for the whole batch.

The numbers depend on (seed, epoch, step) alone. So a resumed run and a run spread over several
processes see the same pictures as one that was never interrupted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_AREA = 0.35  # of a random-resized crop, as a share of the picture
COLOUR = 0.4  # brightness, contrast and saturation are multiplied by up to 1 ± this
# Side of the square that is cut out, as a share of the picture's.
HOLES = {"strong": 1 / 4, "cutout": 3 / 8}


def generator(*key: int) -> torch.Generator:
    """A CPU random generator that depends on the key alone: (seed, epoch), (seed, epoch, step)."""
    # The length is part of the key: a SeedSequence of (0, 1) equals one of (0, 1, 0).
    state = np.random.SeedSequence((len(key), *key)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)


@dataclass(frozen=True)
class Augmentation:
    """Random crop of `size` with a reflected border of 1/8, or a random-resized crop from larger
    pictures (`resized`); and a mirror image half of the time (`flip`). `cutout` adds a square hole
    of the picture's mean colour (DeVries and Taylor, Improved Regularization of Convolutional
    Neural Networks with Cutout). `strong`, for few pictures: always a random-resized crop, other
    colours, and a smaller hole.
    """

    size: int
    flip: bool
    resized: bool = False
    kind: Literal["crop", "cutout", "strong"] = "crop"

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Uniform numbers (count, 5 to 10) on the CPU that decide everything for `count` pictures:
        five for the crop, three for colours, two for the hole.
        """
        columns = {"crop": 5, "cutout": 7, "strong": 10}[self.kind]
        return torch.rand(count, columns, generator=random)

    def __call__(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        """Augment uint8 pixels (N, 3, H, W) on their device to (N, 3, size, size) in [0, 255]."""
        numbers = numbers.to(pixels.device)
        resized = self.resized or self.kind == "strong"
        crop = self._resized_crop if resized else self._padded_crop
        cropped = crop(pixels, numbers[:, :5])
        if self.kind == "strong":
            cropped = _recoloured(cropped, numbers[:, 5:8])
        return cropped if self.kind == "crop" else self._cut_out(cropped, numbers[:, -2:])

    def whole(self, pixels: Tensor) -> Tensor:
        """The same pictures at `size`, not augmented."""
        if pixels.shape[-1] == self.size:
            return pixels
        return F.interpolate(pixels.float(), self.size, mode="bilinear", antialias=True)

    def _cut_out(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        hole = round(self.size * HOLES[self.kind])
        start = (numbers * (self.size - hole + 1)).long()  # (N, 2)
        away = torch.arange(self.size, device=pixels.device) - start[:, :, None]  # (N, 2, size)
        inside = (away >= 0) & (away < hole)
        cut = inside[:, 0, :, None] & inside[:, 1, None, :]
        return torch.where(cut[:, None], pixels.float().mean((2, 3), keepdim=True), pixels)

    def _padded_crop(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        pad = self.size // 8
        padded = F.pad(pixels.float(), (pad,) * 4, mode="reflect").to(pixels.dtype)
        offsets = (numbers[:, :2] * (2 * pad + 1)).long()
        steps = torch.arange(self.size, device=pixels.device)
        rows, cols = offsets[:, :1] + steps, offsets[:, 1:] + steps
        if self.flip:
            mirrored = numbers[:, 2:3] < 0.5
            cols = torch.where(mirrored, cols.flip(1), cols)
        batch = torch.arange(len(pixels), device=pixels.device)[:, None, None]
        crops = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], cols[:, None, :]]
        return crops.permute(0, 3, 1, 2)

    def _resized_crop(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        area = SMALLEST_AREA + (1 - SMALLEST_AREA) * numbers[:, 0]
        ratio = torch.exp((2 * numbers[:, 1] - 1) * math.log(4 / 3))
        width, height = ((area * r).sqrt().clamp(max=1) for r in (ratio, 1 / ratio))
        left, top = ((2 * numbers[:, i] - 1) * (1 - s) for i, s in ((3, width), (4, height)))
        sign = torch.where(numbers[:, 2] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(width)
        zero = torch.zeros_like(width)
        affine = torch.stack([width * sign, zero, left, zero, height, top], 1).view(-1, 2, 3)
        grid = F.affine_grid(affine, [len(pixels), 3, self.size, self.size], align_corners=False)
        return F.grid_sample(
            pixels.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )


def _recoloured(pixels: Tensor, numbers: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) with contrast, saturation and brightness changed, in this order."""
    contrast, saturation, brightness = (
        1 + COLOUR * (2 * numbers[:, i, None, None, None] - 1) for i in range(3)
    )
    pixels = torch.lerp(pixels.mean((1, 2, 3), keepdim=True), pixels, contrast)
    pixels = torch.lerp(pixels.mean(1, keepdim=True), pixels, saturation)
    return (pixels * brightness).clamp(0, 255)
