"""The passes over a whole split that end an epoch. The network is fixed; processes share them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
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


class ValidFigures(NamedTuple):
    """How the classifier does on the valid split."""

    accuracy: float
    loss: float  # mean −log of the probability of the true class


@torch.no_grad()
def valid_figures(run: Run) -> ValidFigures | None:
    """The classifier on the valid split; None without one."""
    if run.valid is None:
        return None
    network = run.network.eval()
    sums = torch.zeros(2, device=run.accelerator.device)
    with run.accelerator.autocast():
        for pixels, labels in run.valid(_own_rows(run, run.valid_size)):
            logits = network.head.logits(network(pixels).embedding).float()
            sums[0] += logits.argmax(1).eq(labels).sum()
            sums[1] += F.cross_entropy(logits, labels, reduction="sum")
    total: Tensor = run.accelerator.reduce(sums, "sum")
    accuracy, loss = (total / run.valid_size).tolist()
    return ValidFigures(accuracy, loss)


def _own_rows(run: Run, count: int) -> list[Tensor]:
    """The batches of `count` pictures that this process takes."""
    return in_order(count, _BATCH)[run.plan.process :: run.plan.processes]
