"""Batches of a split on the device: resident uint8 as far as the memory goes, else streamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from interpret.model.devices import cpu_count
from training.data.datasets import RESIDENT_SIZE
from training.data.splits import Split

RESIDENT_SHARE = 0.25  # of the free memory, at most, for a split's pixels


class Batches(Protocol):
    """Pictures on demand, always the same ones for the same rows."""

    def __call__(self, rows: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """For each tensor of row numbers: uint8 pixels (n, 3, S, S) and labels (n,)."""


class Resident:
    """All pictures as uint8 in the device's memory."""

    def __init__(self, split: Split, size: int, title: str, device: torch.device) -> None:
        pixels = torch.from_numpy(split.pixels(size, title)).to(device)
        self.pixels = pixels.permute(0, 3, 1, 2)  # a channels-last view
        self.labels = torch.from_numpy(split.labels).to(device)

    def __call__(self, rows: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """See Batches."""
        for chosen in rows:
            index = chosen.to(self.labels.device)
            yield self.pixels[index], self.labels[index]


class Streamed:
    """Pictures decoded by worker processes while the device computes."""

    def __init__(self, split: Split, size: int, workers: int, device: torch.device) -> None:
        self.pictures, self.device = _Pictures(split, size), device
        self.workers = min(workers, cpu_count())  # more would wait for each other

    def __call__(self, rows: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """See Batches."""
        loader = DataLoader(
            self.pictures,
            batch_sampler=[chosen.tolist() for chosen in rows],
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
        )
        for pixels, labels in loader:
            pixels = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
            yield pixels, labels.to(self.device, non_blocking=True)


class _Pictures(Dataset[tuple[NDArray[np.uint8], int]]):
    def __init__(self, split: Split, size: int) -> None:
        self.split, self.size = split, size

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, i: int) -> tuple[NDArray[np.uint8], int]:
        return self.split.picture(i, self.size).copy(), int(self.split.labels[i])


def batches(split: Split, size: int, title: str, workers: int, device: torch.device) -> Batches:
    """The split at `size` pixels: decoded once and kept where that takes at most a RESIDENT_SHARE
    of the free memory, or where pictures are small; streamed from the files elsewhere.
    """
    if size <= RESIDENT_SIZE or len(split) * 3 * size**2 <= RESIDENT_SHARE * free_memory(device):
        return Resident(split, size, title, device)
    return Streamed(split, size, workers, device)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on the device; 0 where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def in_order(count: int, batch_size: int) -> list[Tensor]:
    """Row numbers of every picture once, in order, `batch_size` at a time."""
    return list(torch.split(torch.arange(count), batch_size))
