"""How fast this machine computes with a network, measured in a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from training.config.train_config import TrainConfig
from training.data.splits import Split
from training.model.backbones import backbone
from training.model.folded_norms import fold_norms_
from training.run.accelerator import precision_of
from training.run.freed_memory import freed_memory_kept
from training.run.step import freeze_norms, quick_gradients

_WARM_UP, _TIMED = 1, 2  # steps
_DECODED = 12  # pictures that decoding is timed on
# What augmentation, the head and the optimizer add to the backbone's time. Without it a run took
# 1.28 times the 4 minutes that were said; with 1.2 another took 1.2 times its 3 minutes.
_BESIDE = 1.3


class Rates(NamedTuple):
    """Seconds a picture at one size."""

    training: float  # forward, backward and update
    inference: float


def measure_rates(config: TrainConfig, image_size: int) -> Rates:
    """Time the backbone of a configuration on random pictures, as the run will use it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = backbone(config.backbone, image_size).to(device).to(memory_format=torch.channels_last)
    if config.norms == "frozen":
        freeze_norms(network)
        fold_norms_(network, image_size)
    pixels = torch.rand(config.batch_size, 3, image_size, image_size, device=device)
    pixels = pixels.to(memory_format=torch.channels_last)
    bf16 = precision_of(config) == "bf16"

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16), quick_gradients(device):
            loss = network(pixels).float().square().mean()
        loss.backward()
        for parameter in network.parameters():
            parameter.grad = None

    @torch.no_grad()
    def forward() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            network(pixels)

    with freed_memory_kept():
        training = _BESIDE * _seconds(step, device) / config.batch_size
    network.eval()
    return Rates(training, _BESIDE * _seconds(forward, device) / config.batch_size)


def decoding_seconds(split: Split, image_size: int) -> float:
    """Seconds that a picture of the split takes to be read, decoded and fitted, on all CPUs."""
    rows = np.unique(np.linspace(0, len(split) - 1, _DECODED).astype(np.int64))
    some, started = split.subset(rows), time.perf_counter()
    some.pixels(image_size, "timing")
    return (time.perf_counter() - started) / len(some)


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Seconds of one call: the best of a few, after a warm-up."""
    times = []
    for turn in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn >= _WARM_UP:
            times.append(time.perf_counter() - started)
    return min(times)
