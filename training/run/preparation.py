"""The preparation of a run: batches, and the network at its start as the data decides it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation, generator
from training.data.batches import Batches, batches
from training.data.benign_changes import randomly_changed
from training.data.datasets import RESIDENT_SIZE
from training.data.splits import DataSet
from training.model.backbones import WhitenedNet
from training.model.folded_norms import fold_norms_
from training.model.networks import PrototypeNetwork, build_network
from training.model.prototype_assignment import assignment, class_similarity
from training.run.accelerator import device_name, precision_of
from training.run.batch_plan import BatchPlan
from training.run.distillation import load_teachers
from training.run.head_start import start_from_features_
from training.run.optimizers import optimizer_for
from training.run.step import NetworkAndLoss, Run

_LOG = logging.getLogger(__name__)

SAMPLE = 10_000  # training pictures that statistics are taken from, at most
ASSIGNED = 500  # classes that prototypes are assigned to: the search takes M³ steps
_WHITENING_FLOOR = 5e-4  # added to a patch's variances: what is mere noise is not blown up
THUMBNAIL = 8  # pixels a side: how alike classes look is told from as little


def prepare(config: TrainConfig, data: DataSet, accelerator: Accelerator, workers: int) -> Run:
    """A run before its first step; the frozen norms of its network are folded.

    Raises ConfigError, or CheckpointError for a teacher.
    """
    size, examples = config.image_size or data.image_size, len(data.splits["train"])
    classes, device = len(data.class_names), accelerator.device
    data = data.with_fit(config.fit)
    plan = BatchPlan.of(config, examples, accelerator.num_processes, accelerator.process_index)
    if config.changes:
        data = with_changes(data, config.changes, config.seed)
    train, valid = load_batches(data, size, workers, device)
    network = build_network(config, classes, size, channel_statistics(train, examples))
    whiten_(network, train, examples)
    teachers = load_teachers(config.teacher, classes, size, device)
    if config.prototype_init == "similarity" and classes > ASSIGNED:
        _LOG.info("%s classes are too many to assign prototypes by similarity", f"{classes:,}")
    elif config.prototype_init == "similarity" and config.head_start == "random":
        describe = thumbnails if teachers is None else teachers.features
        assign_prototypes(network, train, examples, config.seed, describe)
    if config.balance == "logits":
        labels = torch.from_numpy(data.splits["train"].labels)
        network.head.adjust_for(torch.bincount(labels, minlength=classes))
    network.to(device)
    network.to(memory_format=torch.channels_last)
    if config.norms == "frozen":
        fold_norms_(network.backbone, size)
    augment = Augmentation(size, data.flip, resized=size > RESIDENT_SIZE, kind=config.augment)
    head_accuracy = None
    if config.head_start == "features":
        head_accuracy = start_from_features_(
            network, train, data.splits["train"].labels, augment, config
        )
    optimizer = optimizer_for(network, config)
    network_and_loss = accelerator.prepare_model(NetworkAndLoss(network, config.auxiliary))
    if accelerator.is_main_process:
        _announce(config, accelerator, network, plan)
    return Run(
        config=config,
        accelerator=accelerator,
        network=network,
        network_and_loss=network_and_loss,
        optimizer=optimizer,
        teachers=teachers,
        plan=plan,
        augment=augment,
        train=train,
        train_labels=torch.from_numpy(data.splits["train"].labels),
        valid=valid,
        valid_size=len(data.splits.get("valid", ())),
        head_accuracy=head_accuracy,
    )


def _announce(
    config: TrainConfig, accelerator: Accelerator, network: PrototypeNetwork, plan: BatchPlan
) -> None:
    _LOG.info(
        "%s on %s × %d, %s; %s: %.2f M parameters, %d-D embedding; %d pictures, %d steps of %d",
        config.method.upper(),
        device_name(accelerator.device),
        accelerator.num_processes,
        precision_of(config),
        config.backbone,
        sum(p.numel() for p in network.parameters()) / 1e6,
        network.embedding_dim,
        plan.examples,
        plan.steps * (config.warmup_epochs + config.epochs),
        plan.batch,
    )


def with_changes(data: DataSet, share: float, seed: int) -> DataSet:
    """The data with this share of its training pictures, drawn at random, under random changes."""
    train = data.splits["train"]
    rows = torch.rand(len(train), generator=generator(seed, 0, len(train))).numpy() < share
    return replace(data, splits=data.splits | {"train": randomly_changed(train, seed, rows)})


def load_batches(
    data: DataSet, size: int, workers: int, device: torch.device
) -> tuple[Batches, Batches | None]:
    """The train split at the size that augmentation starts from, and the valid split, if any."""
    # A random-resized crop starts from a picture a little larger than its result.
    source = size if size <= RESIDENT_SIZE else round(size * 8 / 7)
    reduced = replace(data.splits["train"], reduced=True)
    train = batches(reduced, source, "reading train", workers, device)
    if "valid" not in data.splits:
        return train, None
    # The valid pictures are seen as the service will see them: fitted to the size in one go.
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
def assign_prototypes(
    network: PrototypeNetwork,
    train: Batches,
    examples: int,
    seed: int,
    describe: Callable[[Tensor], Tensor] = thumbnails,
) -> None:
    """Give the packed prototypes to the classes by similarity: look-alike classes get neighbours.
    The similarity is that of a fixed sample of pixels (N, 3, S, S) as `describe` sees them.
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
    order = assignment(prototypes.cpu().numpy(), class_similarity(descriptions, labels), seed)
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
