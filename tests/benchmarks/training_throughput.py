"""What `dpnp train` costs beside the arithmetic: a recipe's epoch against the same network's bare
forward-backward-step loop on one fixed batch.

    python -m tests.benchmarks.training_throughput --data folder:cifar10 [--steps 20] [--rounds 3]
    python -m tests.benchmarks.training_throughput --data folder:PHOTOS --recipe finetune \\
        --image-size 96 --cache FITTED --pictures 10000 --rounds 1

The epoch reads, augments, counts and logs; the loop does none of it. They take turns; the ratio is
the median over the rounds. Photographs (`photograph_folder` makes 10,000) are streamed: worker
processes decode them in every epoch, or, with --cache, in the first one, whose ratio is printed and
not counted. --resident lets pictures that fit into the memory stay there, as `dpnp train` does.
Leave the machine idle otherwise.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from training.config.train_config import TrainConfig
from training.data import batches
from training.data.datasets import load_to_measure
from training.data.fitted_cache import FittedCache
from training.data.layouts import ALL
from training.data.splits import DataSet
from training.model.folded_norms import fold_norms_
from training.model.networks import build_network
from training.recipes.named_recipes import recipe
from training.run import metrics_log
from training.run.accelerator import device_name, precision_of
from training.run.freed_memory import freed_memory_kept
from training.run.loop import train
from training.run.optimizers import optimizer_for
from training.run.step import NetworkAndLoss, Targets, freeze_norms, quick_gradients


def main(
    data: Annotated[str, typer.Option(help="as of dpnp train")],
    name: Annotated[str, typer.Option("--recipe")] = "cpu-fast",
    backbone: Annotated[str | None, typer.Option(help="default: the recipe's")] = None,
    image_size: Annotated[int | None, typer.Option(help="default: the data's own")] = None,
    batch_size: Annotated[int | None, typer.Option(help="default: the recipe's")] = None,
    workers: Annotated[int, typer.Option(help="processes that decode")] = 2,
    cache: Annotated[Path | None, typer.Option(help="as of dpnp train")] = None,
    cache_gb: float = 50.0,
    resident: Annotated[bool, typer.Option("--resident", help="keep pictures in memory")] = False,
    steps: Annotated[int, typer.Option(help="of the bare loop, a round")] = 20,
    pictures: Annotated[
        int | None, typer.Option(help="of an epoch; default: as many as the bare loop's")
    ] = None,
    rounds: int = 3,
) -> None:
    given = {"backbone": backbone, "image_size": image_size, "batch_size": batch_size}
    chosen = {name: value for name, value in given.items() if value is not None}
    options = recipe(name) | {"data": data, "embedding_dim": 3, "epochs": 1} | chosen
    # The head's start is no part of an epoch.
    config, console = TrainConfig.of(**options | {"head_start": "random"}), Console()
    whole = load_to_measure(data, None)
    if ALL in whole.splits:  # a user's own pictures, of which none need be held out here
        whole = replace(whole, splits={"train": whole.splits[ALL]})
    if cache is not None:
        whole = whole.with_cache(FittedCache(cache, int(cache_gb * 1e9)))
    if not resident:
        batches.RESIDENT_SHARE = 0.0
    taken = some(whole, pictures or steps * config.batch_size)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = config.image_size or whole.image_size
    console.print(
        f"{name} on {device_name(device)}, load {os.getloadavg()[0]:.1f}: {rounds} rounds, "
        f"{len(taken.splits['train']):,} pictures an epoch, {steps} steps of {config.batch_size} "
        f"in the bare loop; {config.backbone} at {size} pixels, {workers} processes decode"
    )
    if cache is not None:
        first, bare = epoch(config, taken, workers), bare_loop(config, whole, device, steps)
        console.print(
            f"first epoch, which fills the cache: {first:,.0f} images/s, {first / bare:.3f} of the "
            "bare loop"
        )
    ratios = []
    for _ in range(rounds):
        bare, real = bare_loop(config, whole, device, steps), epoch(config, taken, workers)
        ratios.append(real / bare)
        console.print(f"bare loop {bare:,.0f} images/s, dpnp train {real:,.0f}: {ratios[-1]:.3f}")
    console.print(f"median ratio {median(ratios):.3f}")


def some(data: DataSet, count: int) -> DataSet:
    """The data set with `count` training pictures, evenly spread, and no other split.

    Few are taken more than once.
    """
    train_split = data.splits["train"]
    rows = np.linspace(0, len(train_split) - 1, count).astype(np.int64)
    return replace(data, splits={"train": train_split.subset(rows)})


def epoch(config: TrainConfig, data: DataSet, workers: int) -> float:
    """Images per second of one epoch, as the run logs them."""
    with tempfile.TemporaryDirectory() as folder:
        train(config, data, Path(folder), workers=workers)
        last = metrics_log.read(Path(folder))[-1]
    return float(last["images_per_second"] or 0)


def bare_loop(config: TrainConfig, data: DataSet, device: torch.device, steps: int) -> float:
    """Images per second of forward, loss, backward and step on one batch."""
    step = bare_step(config, data, device)

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    with freed_memory_kept():
        run(2)
        return steps * config.batch_size / run(steps)


def bare_step(config: TrainConfig, data: DataSet, device: torch.device) -> Callable[[], object]:
    """What does one step of forward, loss, backward and update on one fixed batch."""
    batch, size = config.batch_size, config.image_size or data.image_size
    classes = len(data.class_names)
    network = build_network(config, classes, size, ([128.0] * 3, [64.0] * 3))
    network.to(device=device, memory_format=torch.channels_last)
    if config.norms == "frozen":
        fold_norms_(network.backbone, size)
    network_and_loss = NetworkAndLoss(network, config.auxiliary).train()
    if config.norms == "frozen":
        freeze_norms(network.backbone)
    optimizer = optimizer_for(network, config)
    pixels = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, device=device)
    pixels = pixels.permute(0, 3, 1, 2)
    labels = torch.randint(classes, (batch,), device=device)
    targets = Targets(labels, counts=torch.bincount(labels, minlength=classes))
    bf16 = precision_of(config) == "bf16"
    for group in optimizer.param_groups:
        group["lr"] = 1e-6  # nothing is to be learned

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16), quick_gradients(device):
            terms, _ = network_and_loss(pixels, targets, config.lambda_pos)
        terms["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    typer.run(main)
