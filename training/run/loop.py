"""The training loop: epochs, what the method does around them, metrics, checkpoint.

One CPU, one GPU or many processes of either run the same code through Accelerate.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from interpret.bundle.atomic_files import write_atomically
from interpret.geometry.geometry import nearest_angles
from interpret.model.progress import progress
from training.config.errors import DivergedError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation, generator
from training.data.batches import Batches, in_order
from training.data.cutmix import WHOLE, Box, draw_box, mix
from training.data.datasets import RESIDENT_SIZE, DataSet
from training.model.methods import Terms
from training.model.networks import PrototypeNetwork, build_network
from training.run import checkpoint
from training.run.batch_plan import Plan
from training.run.distillation import Teachers, load_teachers
from training.run.optimizers import Optimizers, optimizer_for
from training.run.preparation import (
    accelerator_for,
    arrange_prototypes,
    channel_statistics,
    load_batches,
    thumbnails,
    whiten_,
)
from training.run.schedules import factor, pull

_LOG = logging.getLogger(__name__)
METRICS = "metrics.jsonl"

Metrics = dict[str, float | int | None]


class Step(nn.Module):
    """Network and loss in one forward, so that distributed training sees every parameter used."""

    def __init__(
        self, network: PrototypeNetwork, auxiliary: float, teachers: Teachers | None = None
    ) -> None:
        super().__init__()
        self.network, self.weight, self.teachers = network, auxiliary, teachers

    def forward(
        self, pixels: Tensor, labels: Tensor, counts: Tensor, box: Box | None = None
    ) -> tuple[Terms, Tensor]:
        """The loss terms of a batch, and how many of it the classifier gets right: of mixed
        pictures, the one with the larger share counts.
        """
        share, others = 1.0, labels
        if box is not None:
            share = box.share(pixels.shape[-1])
            pixels, others = mix(pixels, labels, box)
        answers = None if self.teachers is None else self.teachers(pixels)
        embedding, _, pooled = self.network(pixels)
        with torch.autocast(pixels.device.type, enabled=False):
            terms = self._terms(embedding, pooled, labels, counts)
            if share < 1:
                of_others = self._terms(embedding, pooled, others, counts)
                terms = {k: share * v + (1 - share) * of_others[k] for k, v in terms.items()}
            if answers is not None:
                terms = self._taught(terms, embedding, pooled, answers)
        with torch.no_grad():
            guesses = self.network.head.logits(embedding).argmax(1)
            right = guesses.eq(labels if share >= 0.5 else others).sum()
        return terms, right

    def _terms(self, embedding: Tensor, pooled: Tensor, labels: Tensor, counts: Tensor) -> Terms:
        terms: Terms = self.network.head(embedding, labels, counts)
        if self.network.auxiliary is not None:
            wide = F.cross_entropy(self.network.auxiliary(pooled), labels)
            terms |= {"loss": terms["loss"] + self.weight * wide, "auxiliary": wide}
        return terms

    def _taught(self, terms: Terms, embedding: Tensor, pooled: Tensor, answers: Tensor) -> Terms:
        """The terms with the teachers' answers (N, M) in the place of labels in cross-entropies."""
        taught = {"cross_entropy": F.cross_entropy(self.network.head.logits(embedding), answers)}
        loss = terms["loss"] - terms["cross_entropy"] + taught["cross_entropy"]
        if self.network.auxiliary is not None:
            wide = F.cross_entropy(self.network.auxiliary(pooled), answers)
            taught["auxiliary"] = wide
            loss = loss + self.weight * (wide - terms["auxiliary"])
        return terms | taught | {"loss": loss}


@dataclass
class Run:
    """A run under way: what an epoch needs."""

    config: TrainConfig
    accelerator: Accelerator
    network: PrototypeNetwork
    optimizer: Optimizers
    step: nn.Module  # Step, wrapped for distribution
    train: Batches
    labels: Tensor  # of the train split
    valid: Batches | None
    valid_size: int
    plan: Plan
    augment: Augmentation


def train(
    config: TrainConfig,
    data: DataSet,
    folder: Path,
    *,
    workers: int = 2,
    resume: bool = False,
    tensorboard: bool = False,
) -> PrototypeNetwork | None:
    """Train to the last epoch; checkpoint and metrics lie in `folder`. `workers` processes decode
    pictures that are too large to be kept in memory.

    Returns the network in evaluation mode, its prototypes on the sphere; None on all processes but
    the main one. Raises ConfigError, CheckpointError or DivergedError.
    """
    if not resume:
        checkpoint.check_overwrite(folder)
    accelerator = accelerator_for(config, folder if tensorboard else None)
    run = _prepare(config, data, accelerator, workers)
    done = checkpoint.resume(folder, config, run.network, run.optimizer) if resume else 0
    lines = _lines(folder / METRICS)[:done]  # of an epoch that was cut, nothing is kept
    for epoch in range(done, config.warmup_epochs + config.epochs):
        metrics = _epoch(run, epoch)
        if not all(math.isfinite(v) for v in metrics.values() if v is not None):
            raise DivergedError(
                f"the loss became {metrics['loss']} in epoch {epoch + 1}: lower --lr. "
                f"{folder / checkpoint.FILE} keeps the epoch before"
            )
        if accelerator.is_main_process:
            lines.append(json.dumps(metrics))
            state = checkpoint.Progress(epoch + 1, False)
            checkpoint.save(folder, config, state, run.network, run.optimizer)
            write_atomically(folder / METRICS, "".join(f"{li}\n" for li in lines).encode())
            _LOG.info(_sentence(metrics, config.warmup_epochs + config.epochs))
        if tensorboard:
            accelerator.log({k: v for k, v in metrics.items() if v is not None}, step=epoch + 1)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run.network.eval() if accelerator.is_main_process else None


def _prepare(config: TrainConfig, data: DataSet, accelerator: Accelerator, workers: int) -> Run:
    size, examples = config.image_size or data.image_size, len(data.splits["train"])
    plan = Plan.of(config, examples, accelerator.num_processes, accelerator.process_index)
    train, valid = load_batches(data, size, workers, accelerator.device)
    statistics = channel_statistics(train, examples)
    network = build_network(config, len(data.class_names), size, statistics)
    whiten_(network, train, examples)
    teachers = load_teachers(config.teacher, len(data.class_names), size, accelerator.device)
    if config.prototype_init == "similarity":
        describe = thumbnails if teachers is None else teachers.features
        arrange_prototypes(network, train, examples, config.seed, describe)
    network.to(accelerator.device)
    network.to(memory_format=torch.channels_last)
    optimizer = optimizer_for(network, config)
    step = accelerator.prepare_model(Step(network, config.auxiliary, teachers))
    augment = Augmentation(
        size, data.flip, resized=size > RESIDENT_SIZE, strong=config.augment == "strong"
    )
    if accelerator.is_main_process:
        _LOG.info(
            "%s on %s × %d, %s; %s: %.2f M parameters, %d-D embedding; %d pictures, %d steps of %d",
            config.method.upper(),
            device_name(accelerator.device),
            accelerator.num_processes,
            "bf16" if accelerator.mixed_precision == "bf16" else "fp32",
            config.backbone,
            sum(p.numel() for p in network.parameters()) / 1e6,
            network.embedding_dim,
            examples,
            plan.steps * (config.warmup_epochs + config.epochs),
            plan.batch,
        )
    return Run(
        config,
        accelerator,
        network,
        optimizer,
        step,
        train,
        torch.from_numpy(data.splits["train"].labels),
        valid,
        len(data.splits.get("valid", ())),
        plan,
        augment,
    )


def _epoch(run: Run, epoch: int) -> Metrics:
    """One epoch, with the metrics it is judged by."""
    config, accelerator, plan, head = run.config, run.accelerator, run.plan, run.network.head
    epochs = config.warmup_epochs + config.epochs
    head.constrain_()
    # What layers draw themselves (dropout) depends on the epoch alone too.
    torch.manual_seed(generator(config.seed, epoch, accelerator.process_index).initial_seed())
    run.step.train()
    started, sums = time.perf_counter(), torch.zeros(1, device=accelerator.device)
    rows, rate = plan.rows(epoch), 0.0
    mixed = config.cutmix if epoch < epochs - WHOLE * config.epochs else 0.0
    counts = plan.counts(epoch, run.labels, len(head.prototypes)).to(accelerator.device)
    with progress() as bar:
        task = bar.add_task(f"epoch {epoch + 1}/{epochs}", total=plan.steps * plan.batch)
        for i, (pixels, labels) in enumerate(run.train(rows)):
            step = i // config.accumulate
            rate = _set_rates(run, (epoch - config.warmup_epochs) * plan.steps + step)
            numbers = plan.numbers(run.augment, epoch, i)
            box = draw_box(mixed, run.augment.size, config.seed, epoch, step) if mixed else None
            with accelerator.accumulate(run.step):
                terms, right = run.step(run.augment(pixels, numbers), labels, counts[step], box)
                accelerator.backward(terms["loss"])
                if accelerator.sync_gradients:
                    if epoch < config.warmup_epochs:
                        _forget_gradients(run.network)
                    run.optimizer.step()
                    run.optimizer.zero_grad()
            sums = sums + torch.stack([*terms.values(), right]).detach()
            bar.advance(task, len(labels) * accelerator.num_processes)
    if epoch + 1 == epochs:
        head.constrain_()
    if head.mean_every and (epoch + 1) % head.mean_every == 0:
        head.take_means_(_class_means(run))
    total: Tensor = accelerator.reduce(sums, "mean")
    *means, accuracy = (total / len(rows)).tolist()  # waits for the device
    seconds = time.perf_counter() - started
    angles = nearest_angles(head.prototypes.detach().float().cpu().numpy())
    return {
        "epoch": epoch + 1,
        **dict(zip(terms, means, strict=True)),
        "train_accuracy": accuracy / len(rows[0]),
        "valid_accuracy": _valid_accuracy(run),
        "min_sep_deg": float(angles.min()),
        "mean_sep_deg": float(angles.mean()),
        "lr": rate,
        "seconds": seconds,
        "images_per_second": plan.steps * plan.batch / seconds,
    }


def _forget_gradients(network: PrototypeNetwork) -> None:
    """Let the layers that came with weights stand still. (Their `requires_grad` could not change
    once the network is wrapped for distribution; the optimizer passes over what has no gradient.)
    """
    for name, parameter in network.named_parameters():
        if name in network.pretrained:
            parameter.grad = None


@torch.no_grad()
def _class_means(run: Run) -> Tensor:
    """Mean embedding (M, d) of each class over the whole train split, as it is: not augmented, the
    network fixed. Every process takes a part.
    """
    network = run.network.eval()
    own = in_order(run.plan.examples, 250)[run.plan.process :: run.plan.processes]
    sums = torch.zeros_like(network.head.prototypes)
    with run.accelerator.autocast():
        for pixels, labels in run.train(own):
            sums.index_add_(0, labels, network(run.augment.whole(pixels)).embedding)
    total: Tensor = run.accelerator.reduce(sums, "sum")
    counts = torch.bincount(run.labels, minlength=len(total)).to(total.device)
    return total / counts[:, None]


def _set_rates(run: Run, step: int) -> float:
    config, steps = run.config, run.plan.steps
    scale = factor(config.schedule, step, steps, config.epochs)
    run.network.head.pull = pull(
        config.lambda_pos_start, config.lambda_pos, step, steps * config.epochs
    )
    for group in run.optimizer.param_groups:
        group["lr"] = group["initial_lr"] * (scale if group.get("scheduled", True) else 1.0)
    return float(run.optimizer.param_groups[0]["lr"])


@torch.no_grad()
def _valid_accuracy(run: Run) -> float | None:
    """Share of the valid split that the classifier gets right; every process takes a part."""
    if run.valid is None:
        return None
    run.network.eval()
    own = in_order(run.valid_size, 250)[run.plan.process :: run.plan.processes]
    right = torch.zeros((), device=run.accelerator.device)
    with run.accelerator.autocast():
        for pixels, labels in run.valid(own):
            logits = run.network.head.logits(run.network(pixels).embedding)
            right += logits.argmax(1).eq(labels).sum()
    total: Tensor = run.accelerator.reduce(right, "sum")
    return float(total) / run.valid_size


def device_name(device: torch.device) -> str:
    """The device in words: "NVIDIA H100", or "CPU (2 threads)"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()} ({torch.get_num_threads()} threads)"


def seconds_of(folder: Path) -> float:
    """Seconds that the epochs of the run in `folder` took, over all its interruptions."""
    return float(sum(json.loads(line)["seconds"] for line in _lines(folder / METRICS)))


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _sentence(metrics: Metrics, epochs: int) -> str:
    valid = metrics["valid_accuracy"]
    return (
        f"epoch {metrics['epoch']}/{epochs}: loss {metrics['loss']:.3f}, accuracy "
        f"{metrics['train_accuracy']:.2%} train"
        + ("" if valid is None else f", {valid:.2%} valid")
        + f"; MinSep {metrics['min_sep_deg']:.2f}°; {metrics['images_per_second']:,.0f} images/s"
    )
