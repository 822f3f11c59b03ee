"""The passes over a whole split that end an epoch. The network is fixed; processes share them."""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.batches import in_order
from training.run.step import Run

_BATCH = 250


@torch.no_grad()
def class_means(run: Run) -> Tensor:
    """Mean embedding (M, d) of each class over the whole train split, as it is: not augmented."""
    network = run.network.eval()
    sums = torch.zeros_like(network.head.prototypes)
    with run.accelerator.autocast():
        for pixels, labels in run.train(_own_rows(run, run.plan.examples)):
            sums.index_add_(0, labels, network(run.augment.whole(pixels)).embedding)
    total: Tensor = run.accelerator.reduce(sums, "sum")
    counts = torch.bincount(run.train_labels, minlength=len(total)).to(total.device)
    return total / counts[:, None]


@torch.no_grad()
def valid_accuracy(run: Run) -> float | None:
    """Share of the valid split that the classifier gets right; None without one."""
    if run.valid is None:
        return None
    network = run.network.eval()
    right = torch.zeros((), device=run.accelerator.device)
    with run.accelerator.autocast():
        for pixels, labels in run.valid(_own_rows(run, run.valid_size)):
            logits = network.head.logits(network(pixels).embedding)
            right += logits.argmax(1).eq(labels).sum()
    total: Tensor = run.accelerator.reduce(right, "sum")
    return float(total) / run.valid_size


def _own_rows(run: Run, count: int) -> list[Tensor]:
    """The batches of `count` pictures that this process takes."""
    return in_order(count, _BATCH)[run.plan.process :: run.plan.processes]
