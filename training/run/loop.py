"""The training loop: epochs, what the method does around them, metrics, checkpoint.

One CPU, one GPU or many processes of either run the same code through Accelerate.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from interpret.geometry.geometry import nearest_angles
from interpret.model.progress import progress
from training.config.errors import DivergedError
from training.config.train_config import TrainConfig
from training.data.augment import generator
from training.data.data_record import DataRecord
from training.data.splits import DataSet
from training.model.folded_norms import unfold_norms_
from training.model.methods import CenterLoss
from training.model.networks import PrototypeNetwork
from training.run import checkpoint, metrics_log, stages, width_first
from training.run.accelerator import accelerator_for, end_logs, precision_of
from training.run.checkpoint import Checkpoint
from training.run.epoch_end import class_means, valid_figures
from training.run.freed_memory import freed_memory_kept
from training.run.metrics_log import EpochMetrics
from training.run.preparation import prepare
from training.run.step import Run, freeze_norms, training_step

_LOG = logging.getLogger(__name__)

OnStep = Callable[[int, int], None]  # takes the epoch and the step in it, both counted from 0
OnEpoch = Callable[[EpochMetrics], None]


def train(
    config: TrainConfig,
    data: DataSet,
    folder: Path,
    *,
    workers: int = 2,
    resume: bool = False,
    tensorboard: bool = False,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> PrototypeNetwork | None:
    """Train to the last epoch; checkpoint and metrics lie in `folder`. `workers` processes decode
    pictures that are too large to be kept in memory.

    `on_step` is called after every update of the weights, `on_epoch` when an epoch's checkpoint is
    written, on every process. An exception that they raise ends the run; it can be resumed.

    Returns the network in evaluation mode, its prototypes on the sphere; None on all processes but
    the main one. Raises ConfigError, CheckpointError or DivergedError.
    """
    record = DataRecord.of(data, config.image_size or data.image_size)
    saved = _saved(config, record, folder, resume)
    precision = precision_of(config) if saved is None else saved.config.precision
    config = stage = config.model_copy(update={"precision": precision})
    if config.wide_epochs:
        wide = partial(train, data=data, workers=workers, tensorboard=tensorboard, on_step=on_step)
        classes, wide = len(data.class_names), partial(wide, on_epoch=on_epoch)
        stage = width_first.after_wide(wide, config, classes, record, folder, resume)
    accelerator = accelerator_for(stage, folder if tensorboard else None)
    accelerator.wait_for_everyone()  # for the weights of a wide stage
    run = prepare(stage, data, accelerator, workers)
    start = stages.start_of(run)
    done, epochs = 0, stage.warmup_epochs + stage.epochs
    if saved is None and (epochs == 0 or (start is not None and start.needed > 1)):
        done = epochs
        if start is not None and epochs:
            start.say_enough()
        _save(run, folder, Checkpoint(config, record, epochs, {}, []), [])
    if saved is not None:
        run.network.load_state_dict(saved.network)
        run.optimizer.load_state_dict(saved.optimizer)
        done = saved.epoch
    history = metrics_log.read(folder)[:done]  # of an epoch that was cut, nothing is kept
    for epoch in range(done, epochs):
        metrics = train_epoch(run, epoch, on_step)
        if start is not None and epoch + 1 == epochs:
            stages.keep_better_(run.network, start, metrics)
        _check_finite(metrics, folder)
        history.append(metrics)
        _save(run, folder, Checkpoint(config, record, epoch + 1, {}, []), history)
        if accelerator.is_main_process:
            left = (epochs - epoch - 1) * metrics_log.mean_seconds(history)
            _LOG.info(metrics_log.sentence(metrics, epochs, left))
        if tensorboard:
            accelerator.log({k: v for k, v in metrics.items() if v is not None}, step=epoch + 1)
        if on_epoch is not None:
            on_epoch(metrics)
    accelerator.wait_for_everyone()
    end_logs(accelerator)
    return unfold_norms_(run.network).eval() if accelerator.is_main_process else None


def _check_finite(metrics: EpochMetrics, folder: Path) -> None:
    if not all(math.isfinite(v) for v in metrics.values() if v is not None):
        file = folder / checkpoint.FILE
        kept = f". {file} keeps the epoch before" if file.exists() else ""
        raise DivergedError(
            f"the loss became {metrics['loss']} in epoch {metrics['epoch']}: lower --lr{kept}"
        )


def _saved(
    config: TrainConfig, record: DataRecord, folder: Path, resume: bool
) -> Checkpoint | None:
    """The checkpoint to go on from, if any. Raises CheckpointError for one of another run, and for
    an unfinished one that a new run would destroy.
    """
    if not resume:
        checkpoint.check_overwrite(folder)
        return None
    if checkpoint.begun(folder) == folder / checkpoint.WIDE:
        return None
    saved = checkpoint.read(folder)
    saved.check_same_run(folder, config, record)
    return saved


def _save(run: Run, folder: Path, bare: Checkpoint, history: Sequence[EpochMetrics]) -> None:
    """Write what `bare` says with the weights of now, and the metrics, on the main process."""
    if run.accelerator.is_main_process:
        weights, moments = run.network.state_dict(), run.optimizer.state_dict()
        checkpoint.write(folder, replace(bare, network=weights, optimizer=moments))
        metrics_log.write(folder, history)


def train_epoch(run: Run, epoch: int, on_step: OnStep | None = None) -> EpochMetrics:
    """Train for one epoch, and return its metrics."""
    config, accelerator, plan, head = run.config, run.accelerator, run.plan, run.network.head
    epochs = config.warmup_epochs + config.epochs
    head.constrain_()
    # What layers draw themselves (dropout) depends on the epoch alone too.
    torch.manual_seed(generator(config.seed, epoch, accelerator.process_index).initial_seed())
    run.network_and_loss.train()
    if config.norms == "frozen":
        freeze_norms(run.network.backbone)
    started, sums = time.perf_counter(), torch.zeros(1, device=accelerator.device)
    rows, counts = plan.rows(epoch), _class_counts(run, epoch)
    with progress() as bar, freed_memory_kept():
        task = bar.add_task(f"epoch {epoch + 1}/{epochs}", total=plan.pictures)
        for i, (pixels, labels) in enumerate(run.train(rows)):
            step, turn = divmod(i, plan.accumulate)
            own = None if counts is None else counts[step]
            terms, right = training_step(run, epoch, i, pixels, labels, own)
            sums = sums + torch.stack([*terms.values(), right]).detach()
            bar.advance(task, len(labels) * accelerator.num_processes)
            if on_step is not None and turn + 1 == plan.accumulate:
                on_step(epoch, step)
    if epoch + 1 == epochs:
        head.constrain_()
    if head.mean_every and (epoch + 1) % head.mean_every == 0:
        head.take_means_(class_means(run))
    total: Tensor = accelerator.reduce(sums, "mean")
    *means, accuracy = (total / len(rows)).tolist()  # waits for the device
    seconds = time.perf_counter() - started
    valid = valid_figures(run)
    angles = nearest_angles(head.prototypes.detach().float().cpu().numpy())
    return {
        "epoch": epoch + 1,
        **dict(zip(terms, means, strict=True)),
        "train_accuracy": accuracy * len(rows) / sum(map(len, rows)),
        "valid_accuracy": None if valid is None else valid.accuracy,
        "valid_loss": None if valid is None else valid.loss,
        "min_sep_deg": float(angles.min()),
        "mean_sep_deg": float(angles.mean()),
        "lr": float(run.optimizer.param_groups[0]["lr"]),
        "seconds": seconds,
        "images_per_second": plan.pictures / seconds,
    }


def _class_counts(run: Run, epoch: int) -> Tensor | None:
    """Pictures of each class in each step of the epoch (steps, M), for the centre loss alone."""
    head = run.network.head
    if not isinstance(head, CenterLoss):
        return None
    counts = run.plan.counts(epoch, run.train_labels, len(head.prototypes))
    return counts.to(run.accelerator.device)
