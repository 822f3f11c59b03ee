"""What a run is made of: device and precision, batches, statistics, what the data decides."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.batches import Batches, batches
from training.data.datasets import RESIDENT_SIZE, DataSet
from training.model.backbones import WhitenedNet
from training.model.networks import PrototypeNetwork
from training.model.prototype_assignment import arrange, class_similarity

SAMPLE = 10_000  # training pictures that statistics are taken from, at most
_WHITENING_FLOOR = 5e-4  # added to a patch's variances: what is mere noise is not blown up
THUMBNAIL = 8  # pixels a side: how alike classes look is told from as little


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
    data: DataSet, size: int, workers: int, device: torch.device
) -> tuple[Batches, Batches | None]:
    """The train split at the size that augmentation starts from, and the valid split, if any."""
    # A random-resized crop starts from a picture a little larger than its result.
    source = size if size <= RESIDENT_SIZE else round(size * 8 / 7)
    train = batches(data.splits["train"], source, "reading train", workers, device)
    if "valid" not in data.splits:
        return train, None
    return train, batches(data.splits["valid"], size, "reading valid", workers, device)


def channel_statistics(train: Batches, examples: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, of pixels in [0, 255], over a fixed sample."""
    sums, squares, count = np.zeros(3), np.zeros(3), 0
    for pixels, _ in train(_sample(examples)):
        values = pixels.double()
        sums += values.sum((0, 2, 3)).cpu().numpy()
        squares += values.square().sum((0, 2, 3)).cpu().numpy()
        count += values[:, 0].numel()
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))  # a constant channel: no blow-up
    return mean.tolist(), std.tolist()


def thumbnails(pixels: Tensor) -> Tensor:
    """Pixels (N, 3, S, S), shrunk: what is known of a picture before any training."""
    return F.adaptive_avg_pool2d(pixels.float(), THUMBNAIL)


@torch.no_grad()
def arrange_prototypes(
    network: PrototypeNetwork,
    train: Batches,
    examples: int,
    seed: int,
    describe: Callable[[Tensor], Tensor] = thumbnails,
) -> None:
    """Give the packed prototypes to the classes by how alike these are, over a fixed sample, as
    `describe` sees the pixels (N, 3, S, S).
    """
    parts = [
        (describe(pixels).cpu().numpy(), labels.cpu().numpy())
        for pixels, labels in train(_sample(examples))
    ]
    descriptions, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    prototypes = network.head.prototypes
    missing = len(prototypes) - len(np.unique(labels))
    if missing:
        raise ConfigError(f"--prototype-init similarity: {missing} classes have too few pictures")
    order = arrange(prototypes.cpu().numpy(), class_similarity(descriptions, labels), seed)
    prototypes.copy_(prototypes[torch.from_numpy(order)])


@torch.no_grad()
def whiten_(network: PrototypeNetwork, train: Batches, examples: int) -> None:
    """Let the first layer of the backbone `fast` decorrelate the patches it sees, over a fixed
    sample: the directions of most variance, each at unit variance, and their opposites, of which
    a ReLU would lose one half. Other backbones are left as they are.
    """
    for module in network.backbone.modules():
        if isinstance(module, WhitenedNet):
            _whiten_layer(module.whitening, network, train, examples)


def _whiten_layer(
    layer: nn.Conv2d, network: PrototypeNetwork, train: Batches, examples: int
) -> None:
    assert layer.bias is not None
    side, step, values = layer.kernel_size[0], layer.stride[0], layer.weight[0].numel()
    products, count = torch.zeros(values, values), 0
    for pixels, _ in train(_sample(examples)):
        scaled = (pixels.cpu().float() - network.mean) / network.std
        patches = F.unfold(scaled, side, stride=step).transpose(1, 2).reshape(-1, values)
        products += patches.T @ patches
        count += len(patches)
    variances, directions = torch.linalg.eigh(products / count)  # ascending
    kept = min(layer.out_channels // 2, values)
    filters = directions[:, -kept:] / (variances[-kept:] + _WHITENING_FLOOR).sqrt()
    layer.weight.zero_()
    layer.bias.zero_()
    layer.weight[: 2 * kept] = torch.cat([filters.T, -filters.T]).view(-1, *layer.weight.shape[1:])


def _sample(examples: int) -> list[Tensor]:
    """Rows of some SAMPLE pictures, spread evenly over all of them."""
    count = min(examples, SAMPLE)
    rows = torch.linspace(0, examples - 1, count, dtype=torch.float64).long()
    return list(torch.split(rows, 250))
