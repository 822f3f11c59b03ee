"""What each part of the recipe gives: short runs of `cpu-fast` with one part changed at a time,
measured on training pictures that were held out (a tenth, 5,000 of CIFAR-10).

    python -m tests.benchmarks.recipe_parts --data folder:cifar10 [--epochs 4] [--only sgd ...]

A row is printed as soon as its run is done. The test pictures are not looked at.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console

from interpret.trust.metrics import measure_geometry
from training.config.train_config import TrainConfig
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.recipes.named_recipes import recipe
from training.run import metrics_log
from training.run.loop import train

HELD_OUT, BATCH = 0.1, 500
VARIANTS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "SGD for all layers": {"optimizer": "sgd"},
    "no softmax on the wide features": {"auxiliary": 0.0},
    "prototypes packed, classes as they come": {"prototype_init": "packed"},
    "prototypes random": {"prototype_init": "random"},
    "prototypes at the network's rate": {"prototype_lr": 0.5},
    "λ_pos constant": {"lambda_pos_start": None},
    "batch 250": {"batch_size": 250},
    "batch 1000": {"batch_size": 1000},
    "float32": {"precision": "fp32"},
    "backbone small": {"backbone": "small"},
    "CutMix on 70 % of the steps": {"cutmix": 0.7},
    "strong augmentation": {"augment": "strong"},
    "9-D": {"embedding_dim": 9},
}


def main(
    data: Annotated[str, typer.Option(help="as of dpnp train")],
    epochs: int = 4,
    backbone: str = "fast-half",
    only: Annotated[list[str] | None, typer.Option(help="words of the rows to run")] = None,
    name: Annotated[str, typer.Option("--recipe")] = "cpu-fast",
) -> None:
    whole, console = load_data(data, valid_share=HELD_OUT), Console(width=120)
    console.print(f"{name}, {backbone}, {epochs} epochs, {len(whole.splits['valid']):,} held out")
    for title, changes in VARIANTS.items():
        if only and not any(word in title for word in only):
            continue
        options = recipe(name) | {"backbone": backbone, "embedding_dim": 3, "epochs": epochs}
        console.print(f"| {title} | {row(TrainConfig.of(data=data, **options | changes), whole)} |")


def row(config: TrainConfig, data: DataSet) -> str:
    """Accuracy and geometry on the held-out pictures, and minutes of a run."""
    with tempfile.TemporaryDirectory() as folder:
        network = train(config, data, Path(folder))
        assert network is not None
        last = metrics_log.read(Path(folder))[-1]
        minutes = metrics_log.seconds_of(Path(folder)) / 60
    held_out = data.splits["valid"]
    pixels = torch.from_numpy(held_out.pixels(data.image_size, "decoding")).permute(0, 3, 1, 2)
    with torch.no_grad():
        parts = [network(p.to(network.mean.device)).embedding for p in pixels.split(BATCH)]
    found = measure_geometry(
        torch.cat(parts).cpu().numpy(),
        np.asarray(held_out.labels),
        network.head.prototypes.detach().cpu().numpy(),
        "valid",
    )
    return (
        f"{last['valid_accuracy']:.2%} | {found.min_sep_deg:.2f}° | {found.scr:.2f} | "
        f"{last['train_accuracy']:.2%} | {minutes:.1f}"
    )


if __name__ == "__main__":
    typer.run(main)
