"""The start of a run from a pretrained backbone: its head fitted before the first step.

The features of the backbone as it is are computed once. In seconds they give a model that is of
use; the steps that follow can only be kept if they do better on the valid split.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interpret.model.progress import progress
from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation
from training.data.batches import Batches
from training.model.networks import PrototypeNetwork
from training.model.prototype_assignment import assignment, class_similarity
from training.run.head_fit import fit_softmax, narrow_map, simplex_map

_LOG = logging.getLogger(__name__)

PICTURES = 20_000  # training pictures that the head is fitted on, at most
_BATCH = 64


def start_from_features_(
    network: PrototypeNetwork,
    train: Batches,
    labels: NDArray[np.int64],
    augment: Augmentation,
    config: TrainConfig,
) -> float | None:
    """Fit the network's projection to its pooled features on the training pictures with `labels`
    (N,).

    Returns the accuracy on training pictures that the head was not fitted on, by cross-validation;
    None where that is not known. Raises ConfigError where the head has no projection, or no
    prototypes on a sphere.
    """
    head, layer = network.head, network.projection
    if not head.on_sphere or not isinstance(layer, nn.Linear):
        raise ConfigError(
            "--head-start features: it takes a method whose prototypes lie on a sphere (ccl, sccl, "
            "dpp, dpnp) and an --embedding-dim"
        )
    rows = torch.linspace(0, len(labels) - 1, min(len(labels), PICTURES)).long()
    features = pooled_features(network, train, rows, augment).numpy()
    own = labels[rows.numpy()]
    prototypes, accuracy = head.prototypes.detach(), None
    classes, dim = prototypes.shape
    if dim >= classes - 1:
        softmax = fit_softmax(
            features, own, classes, config.seed, balanced=config.balance == "logits"
        )
        weight, bias = simplex_map(softmax, prototypes.cpu())
        accuracy = softmax.accuracy
        if accuracy is not None:
            _LOG.info(
                "the head on the features of the backbone as it is: %.2f%% right on training "
                "pictures that it was not fitted on",
                100 * accuracy,
            )
    else:
        if config.prototype_init == "similarity":
            alike = class_similarity(features, own)
            order = torch.from_numpy(assignment(prototypes.cpu().numpy(), alike, config.seed))
            with torch.no_grad():
                head.prototypes.copy_(prototypes[order.to(prototypes.device)])
        prototypes = head.prototypes.detach().cpu()
        weight, bias = narrow_map(features, own, prototypes, head.log_shares.cpu())
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return accuracy


@torch.no_grad()
def pooled_features(
    network: PrototypeNetwork, pictures: Batches, rows: Tensor, augment: Augmentation
) -> Tensor:
    """Pooled features (N, F) float32 of rows of a split, on the CPU; the pictures not augmented."""
    was_training = network.training
    network.eval()
    parts = []
    with progress() as bar:
        task = bar.add_task("features", total=len(rows))
        for pixels, labels in pictures(list(torch.split(rows, _BATCH))):
            parts.append(network(augment.whole(pixels)).pooled.float().cpu())
            bar.advance(task, len(labels))
    network.train(was_training)
    return torch.cat(parts)
