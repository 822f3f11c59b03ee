"""A training step, to be read from top to bottom:

augmentation → CutMix → soft targets → forward → loss terms → backward → update.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from training.config.train_config import TrainConfig
from training.data import cutmix
from training.data.augment import Augmentation
from training.data.batches import Batches
from training.model.depthwise import QuickDepthwise
from training.model.methods import CenterLoss, Terms
from training.model.networks import Features, PrototypeNetwork
from training.run.batch_plan import BatchPlan
from training.run.distillation import Teachers, distilled_terms
from training.run.optimizers import Optimizers
from training.run.schedules import lambda_pos_at, rate_factor


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run under way: what its steps and epochs use."""

    config: TrainConfig
    accelerator: Accelerator
    network: PrototypeNetwork
    network_and_loss: nn.Module  # NetworkAndLoss around the network, wrapped for distribution
    optimizer: Optimizers
    teachers: Teachers | None
    plan: BatchPlan
    augment: Augmentation
    train: Batches
    train_labels: Tensor  # (N,) of the train split
    valid: Batches | None
    valid_size: int
    head_accuracy: float | None = None  # of the head that the run starts from, cross-validated


class Targets(NamedTuple):
    """The targets of a batch of N pictures."""

    labels: Tensor  # (N,)
    others: Tensor | None = None  # CutMix: the labels (N,) of what lies in the boxes
    share: float = 1.0  # of the area that `labels` have; `others` have the rest
    soft: Tensor | None = None  # distillation: the teachers' probabilities (N, M)
    counts: Tensor | None = None  # the centre loss's: pictures a class (M,) in the whole step


def training_step(
    run: Run,
    epoch: int,
    micro_batch: int,
    pixels: Tensor,
    labels: Tensor,
    counts: Tensor | None = None,
) -> tuple[Terms, Tensor]:
    """Learn from a micro-batch of uint8 pixels (N, 3, H, W) with their labels (N,); the last one of
    a step updates the weights. `counts`: see Targets.

    Returns the loss terms, and how many of the pictures the classifier got right.
    """
    config, plan, accelerator = run.config, run.plan, run.accelerator
    step = micro_batch // config.accumulate
    position = (epoch - config.warmup_epochs) * plan.steps + step  # below 0 in the warm-up
    set_rates(run.optimizer, rate_factor(config.schedule, position, plan.steps, config.epochs))
    lambda_pos = lambda_pos_at(
        position, plan.steps * config.epochs, config.lambda_pos_start, config.lambda_pos
    )

    pixels = run.augment(pixels, plan.numbers(run.augment, epoch, micro_batch))
    targets = Targets(labels, counts=counts)

    mixing = cutmix.probability(config.cutmix, epoch, config.warmup_epochs, config.epochs)
    box = cutmix.draw_box(mixing, run.augment.size, config.seed, epoch, step)
    if box is not None:
        pixels, others = cutmix.cut_and_mix(pixels, labels, box)
        targets = targets._replace(others=others, share=box.share(run.augment.size))

    if run.teachers is not None:
        with accelerator.autocast():
            targets = targets._replace(soft=run.teachers.soft_targets(pixels))

    with accelerator.accumulate(run.network_and_loss):
        with quick_gradients(pixels.device):
            terms, right = run.network_and_loss(pixels, targets, lambda_pos)
        accelerator.backward(terms["loss"] * plan.weight(micro_batch))
        if accelerator.sync_gradients:  # the step's last micro-batch
            if epoch < config.warmup_epochs:
                forget_gradients(run.network, run.network.pretrained)
            run.optimizer.step()
            run.optimizer.zero_grad()
    return terms, right


class NetworkAndLoss(nn.Module):
    """Network and loss in one forward: distributed training must see every parameter used, the
    prototypes too. `auxiliary_weight` is that of the softmax on the wide features.
    """

    def __init__(self, network: PrototypeNetwork, auxiliary_weight: float) -> None:
        super().__init__()
        self.network, self.auxiliary_weight = network, auxiliary_weight

    def forward(self, pixels: Tensor, targets: Targets, lambda_pos: float) -> tuple[Terms, Tensor]:
        """The loss terms of pixels (N, 3, S, S) in [0, 255], and how many of the pictures the
        classifier gets right: of mixed ones, the label with the larger share counts.
        """
        features = self.network(pixels)
        with torch.autocast(pixels.device.type, enabled=False):
            terms = self._terms(features, targets.labels, lambda_pos, targets.counts)
            if targets.others is not None and targets.share < 1:
                others = self._terms(features, targets.others, lambda_pos, targets.counts)
                terms = cutmix.mixed_terms(terms, others, targets.share)
            if targets.soft is not None:
                soft = {
                    "cross_entropy": self.network.head.cross_entropy(
                        features.embedding, targets.soft
                    )
                }
                if self.network.auxiliary is not None:
                    soft["auxiliary"] = F.cross_entropy(
                        self.network.auxiliary(features.pooled), targets.soft
                    )
                terms = distilled_terms(terms, soft, self.auxiliary_weight)
        return terms, self._right(features.embedding, targets)

    def _terms(
        self, features: Features, labels: Tensor, lambda_pos: float, counts: Tensor | None
    ) -> Terms:
        """The method's terms against labels, and the auxiliary softmax's."""
        head, embedding = self.network.head, features.embedding
        terms: Terms = head(embedding, labels, lambda_pos)
        if isinstance(head, CenterLoss):
            assert counts is not None
            terms["loss"] = terms["loss"] + head.centre_update(embedding, labels, counts)
        if self.network.auxiliary is not None:
            logits = self.network.auxiliary(features.pooled)
            wide = F.cross_entropy(logits, labels, label_smoothing=head.label_smoothing)
            terms |= {"loss": terms["loss"] + self.auxiliary_weight * wide, "auxiliary": wide}
        return terms

    @torch.no_grad()
    def _right(self, embedding: Tensor, targets: Targets) -> Tensor:
        labels = targets.labels
        if targets.others is not None and targets.share < 0.5:
            labels = targets.others
        return self.network.head.logits(embedding).argmax(1).eq(labels).sum()


def quick_gradients(device: torch.device) -> AbstractContextManager[object]:
    """Around a forward pass whose gradients are wanted: on a CPU those of depthwise convolutions
    are then computed in the quick way.
    """
    return QuickDepthwise() if device.type == "cpu" else nullcontext()


def set_rates(optimizer: Optimizers, factor: float) -> None:
    """Set every group's learning rate to `factor` of its initial one; a group that is not scheduled
    keeps its own.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * (factor if group.get("scheduled", True) else 1.0)


def freeze_norms(network: nn.Module) -> None:
    """Let batch normalisation use the statistics that it has, and not those of the batch."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def forget_gradients(network: nn.Module, names: Collection[str]) -> None:
    """Let the named parameters stand still in the next update. (Their `requires_grad` could not
    change once the network is wrapped for distribution; the optimizer passes over what has no
    gradient.)
    """
    for name, parameter in network.named_parameters():
        if name in names:
            parameter.grad = None
