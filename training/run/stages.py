"""The stages of a run from a pretrained backbone: a head on frozen features, then training.

Training a whole network on a few hundred pictures can make it worse than its head on frozen
features. So the later stage is kept only if it gets more of the valid split right.
"""

from __future__ import annotations

import copy
import logging
from typing import NamedTuple

from torch import Tensor

from training.model.networks import PrototypeNetwork
from training.run.epoch_end import ValidFigures, valid_figures
from training.run.metrics_log import EpochMetrics
from training.run.step import Run

_LOG = logging.getLogger(__name__)


class Start(NamedTuple):
    """The network before the first step, and how it does on the valid split."""

    weights: dict[str, Tensor]
    valid: ValidFigures
    valid_size: int
    cross_validated: float | None = None  # accuracy on training pictures, see head_start

    @property
    def expected(self) -> float:
        """The accuracy to be beaten. A few dozen valid pictures can happen to be easy for the
        head: its accuracy on them is averaged with that on the training pictures, of which there
        are many.
        """
        if self.cross_validated is None:
            return self.valid.accuracy
        return (self.valid.accuracy + self.cross_validated) / 2


def start_of(run: Run) -> Start | None:
    """The first stage of a run whose head was fitted to features; None of another run, or of one
    without a valid split to compare on.
    """
    if run.config.head_start != "features" or (valid := valid_figures(run)) is None:
        return None
    _LOG.info("head on frozen features: %.2f%% of the valid pictures right", 100 * valid.accuracy)
    weights = copy.deepcopy(run.network.state_dict())
    return Start(weights, valid, run.valid_size, run.head_accuracy)


def keep_better_(network: PrototypeNetwork, start: Start, last: EpochMetrics) -> bool:
    """Put the first stage's weights back unless the last epoch's get at least one valid picture
    more right than is expected of the first; whether the trained ones are kept. The metrics say
    which: `stage` is 0 or 1.
    """
    accuracy = last["valid_accuracy"]
    margin = (1 - 1e-6) / start.valid_size  # a picture, but for rounding
    better = accuracy is not None and accuracy >= start.expected + margin
    last["stage"] = int(better)
    if better:
        return True
    network.load_state_dict(start.weights)
    last["valid_accuracy"], last["valid_loss"] = start.valid
    _LOG.warning(
        "training got no more of the valid split right: the head on frozen features is kept "
        "(%.2f%% right)",
        100 * start.valid.accuracy,
    )
    return False
