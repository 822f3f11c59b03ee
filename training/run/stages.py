"""The stages of a run from a pretrained backbone: a head on frozen features, then training.

Training a whole network on a few hundred pictures can make it worse than its head on frozen
features. So the later stage is kept only if it gets more of the valid split right than is expected
of the head.
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
        """The accuracy to be beaten: the head's by cross-validation on the training pictures, of
        which there are many. A hundred valid pictures can happen to be easy for the head; they
        stand in where the cross-validated accuracy is not known.
        """
        return self.valid.accuracy if self.cross_validated is None else self.cross_validated

    @property
    def needed(self) -> float:
        """The accuracy on the valid split from which a trained network is kept: a picture more
        than is expected of the head. Above 1, no training can show that it is better.
        """
        return self.expected + (1 - 1e-6) / self.valid_size  # a picture, but for rounding

    def say_enough(self) -> None:
        """Tell why nothing is trained."""
        _LOG.info(
            "%.2f%% are expected of the head on frozen features: %d valid pictures cannot show "
            "that training makes it better. The head is the model",
            100 * self.expected,
            self.valid_size,
        )


def start_of(run: Run) -> Start | None:
    """The first stage of a run whose head was fitted to features; None of another run, or of one
    without a valid split to compare on.
    """
    if run.config.head_start != "features" or (valid := valid_figures(run)) is None:
        return None
    _LOG.info("head on frozen features: %.2f%% of the valid pictures right", 100 * valid.accuracy)
    weights = copy.deepcopy(run.network.state_dict())
    # A file's weights may have been trained on these very pictures: too good to expect on others.
    known = run.head_accuracy if run.config.weights in (None, "pretrained") else None
    return Start(weights, valid, run.valid_size, known)


def keep_better_(network: PrototypeNetwork, start: Start, last: EpochMetrics) -> bool:
    """Put the first stage's weights back unless the last epoch's have the accuracy that is needed;
    whether the trained ones are kept. The metrics say which: `stage` is 0 or 1.
    """
    accuracy = last["valid_accuracy"]
    better = accuracy is not None and accuracy >= start.needed
    last["stage"] = int(better)
    if better:
        return True
    network.load_state_dict(start.weights)
    last["valid_accuracy"], last["valid_loss"] = start.valid
    _LOG.warning(
        "training got %.2f%% of the valid split right, not a picture more than is expected of the "
        "head on frozen features (%.2f%%): the head is kept",
        100 * (accuracy or 0.0),
        100 * start.expected,
    )
    return False
