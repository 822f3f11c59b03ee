"""What tests of interrupted runs share."""

import torch

from training.run.loop import OnEpoch
from training.run.metrics_log import EpochMetrics


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(value, other[name]) for name, value in a.state_dict().items())


def interrupt_after(epoch: int) -> OnEpoch:
    """Ends a run when the checkpoint of this epoch, counted from 1, is written."""

    def on_epoch(metrics: EpochMetrics) -> None:
        if metrics["epoch"] == epoch:
            raise KeyboardInterrupt

    return on_epoch
