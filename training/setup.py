"""What a run is made of: device and precision, batches, statistics, optimizer."""

from __future__ import annotations

import functools
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from training.batches import Batches, batches, in_order
from training.config import TrainConfig
from training.data import RESIDENT_SIZE, DataSet
from training.networks import PrototypeNetwork

SAMPLE = 10_000  # training pictures that the channel statistics are taken from, about


def accelerator_for(config: TrainConfig, tensorboard: Path | None = None) -> Accelerator:
    """CUDA where there is a GPU, the CPU elsewhere; bf16 by default where the hardware has it."""
    bf16 = config.precision == "bf16" or (config.precision == "auto" and has_bf16())
    AcceleratorState._reset_state()  # else a second run could not choose another precision
    accelerator = Accelerator(
        mixed_precision="bf16" if bf16 else "no",
        gradient_accumulation_steps=config.accumulate,
        log_with="tensorboard" if tensorboard else None,
        project_dir=tensorboard,
    )
    if tensorboard:
        accelerator.init_trackers("tensorboard")
    return accelerator


@functools.cache
def has_bf16() -> bool:
    """Whether bf16 pays here: on a GPU that has it, on a CPU where its products are faster.

    That is measured: AVX512-BF16 doubles the rate on some CPUs and halves it on others.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return _seconds_for_product(torch.bfloat16) < 0.8 * _seconds_for_product(torch.float32)


def _seconds_for_product(dtype: torch.dtype) -> float:
    """Of two matrices of 512²; the best of ten, whatever else runs. Some 20 ms in all."""
    a, times = torch.ones(512, 512, dtype=dtype), []
    for _ in range(10):
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    return min(times)


def load_batches(
    config: TrainConfig, data: DataSet, size: int, device: torch.device
) -> tuple[Batches, Batches | None]:
    """The train split at the size that augmentation starts from, and the valid split, if any."""
    # A random-resized crop starts from a picture a little larger than its result.
    source = size if size <= RESIDENT_SIZE else round(size * 8 / 7)
    train = batches(data.splits["train"], source, "reading train", config.workers, device)
    if "valid" not in data.splits:
        return train, None
    return train, batches(data.splits["valid"], size, "reading valid", config.workers, device)


def channel_statistics(train: Batches, examples: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, of pixels in [0, 255], over a fixed sample."""
    rows = in_order(examples, 250)
    rows = rows[:: max(1, len(rows) * 250 // SAMPLE)]
    sums, squares, count = np.zeros(3), np.zeros(3), 0
    for pixels, _ in train(rows):
        values = pixels.double()
        sums += values.sum((0, 2, 3)).cpu().numpy()
        squares += values.square().sum((0, 2, 3)).cpu().numpy()
        count += values[:, 0].numel()
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))  # a constant channel: no blow-up
    return mean.tolist(), std.tolist()


def optimizer_for(network: PrototypeNetwork, config: TrainConfig) -> torch.optim.SGD:
    """SGD; the method says how its own vectors are learned."""
    layers = [p for name, p in network.named_parameters() if not name.startswith("head.")]
    groups = [
        {"params": layers, "initial_lr": config.lr, "weight_decay": config.weight_decay},
        *network.head.parameter_groups(config),
    ]
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
