"""What teachers are worth: the accuracy of finished runs alone and together, by the classifier
that teaches (the softmax on the wide features, where a run has one), without augmentation.

    python -m tests.benchmarks.teachers runs/1 runs/2 --data folder:cifar10
"""

import argparse
from itertools import combinations

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table

from interpret.model.progress import progress
from training.data.datasets import load_data
from training.run.distillation import load_teachers

BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--data", required=True)
    arguments = parser.parse_args()
    data = load_data(arguments.data)
    split = data.splits[data.evaluation_split()]
    device, labels = Accelerator().device, torch.from_numpy(split.labels)
    pixels = torch.from_numpy(split.pixels(data.image_size, "decoding")).permute(0, 3, 1, 2)
    soft_targets: dict[str, torch.Tensor] = {}
    with progress() as bar:
        task = bar.add_task("answering", total=len(arguments.runs) * len(labels))
        for run in arguments.runs:
            teacher = load_teachers((run,), len(data.class_names), data.image_size, device)
            assert teacher is not None
            parts = []
            for batch in pixels.split(BATCH):
                parts.append(teacher.soft_targets(batch.to(device)).cpu())
                bar.advance(task, len(batch))
            soft_targets[run] = torch.cat(parts)
    table = Table("teachers", "accuracy", title=f"on {len(labels):,} pictures of {data.name}")
    for size in range(1, len(soft_targets) + 1):
        for runs in combinations(soft_targets, size):
            mean = torch.stack([soft_targets[run] for run in runs]).mean(0)
            right = mean.argmax(1).eq(labels).float().mean().item()
            table.add_row(" + ".join(runs), f"{right:.2%}")
    Console().print(table)


if __name__ == "__main__":
    main()
