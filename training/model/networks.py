"""Networks that end in class vectors: backbone, average pooling, at most a linear layer, head.

Because nothing non-linear follows the pooling, the embedding is the mean of per-location
embeddings, and so is every margin: see interpret.explain.evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.config.train_config import TrainConfig
from training.model import timm_backbones
from training.model.backbones import backbone, load_weights
from training.model.methods import Method, method_of


class Features(NamedTuple):
    """A batch's embedding (N, d) float32 and the backbone's features it was made of."""

    embedding: Tensor
    features: Tensor  # (N, F, h, w), or (N, F) for a backbone without locations
    pooled: Tensor  # (N, F)


class PrototypeNetwork(nn.Module):
    """Pixels to embeddings, with the method's class vectors beside the backbone, as `head`.

    `embedding_dim` adds a linear layer to that size; None takes the backbone's features as they
    are. `mean` and `std` are the data's, per channel, of pixels in [0, 255].
    """

    head: Method
    pretrained: frozenset[str] = frozenset()  # names of the tensors that came with weights
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        image_size: int,
        embedding_dim: int | None,
        statistics: tuple[Sequence[float], Sequence[float]] = ((0.0,) * 3, (1.0,) * 3),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        shape = _feature_shape(backbone, image_size)
        self.width = shape[0]  # F
        self.auxiliary: nn.Linear | None = None  # a softmax on the wide features, for training
        self.locations = tuple(shape[1:])  # (h, w), or () without locations
        self.projection: nn.Module = nn.Identity()
        if embedding_dim is not None:
            self.projection = nn.Linear(self.width, embedding_dim)
        self.embedding_dim = embedding_dim or self.width
        for name, values in zip(("mean", "std"), statistics, strict=True):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Features:
        """Embed a batch of pixels in [0, 255], (N, 3, S, S), uint8 or float."""
        features = self.backbone((pixels.float() - self.mean) / self.std)
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            pooled = features.mean((2, 3)) if self.locations else features
            return Features(self.projection(pooled), features, pooled)

    def local_embeddings(self, features: Tensor) -> Tensor:
        """Per-location embeddings (N, d, h, w); their mean over locations is the embedding."""
        local: Tensor = self.projection(features.permute(0, 2, 3, 1))
        return local.permute(0, 3, 1, 2)


def build_network(
    config: TrainConfig,
    classes: int,
    image_size: int,
    statistics: tuple[Sequence[float], Sequence[float]],
) -> PrototypeNetwork:
    """The network of a configuration at its seeded start, its prototypes too."""
    torch.manual_seed(config.seed)
    features = backbone(config.backbone, image_size)
    if config.backbone.startswith(timm_backbones.PREFIX):
        # What its published weights expect, with them or without.
        statistics = timm_backbones.normalisation(
            config.backbone.removeprefix(timm_backbones.PREFIX)
        )
    filled: frozenset[str] = frozenset()
    if config.weights is not None:
        filled = load_weights(features, config.backbone, image_size, config.weights)
    network = PrototypeNetwork(features, image_size, config.embedding_dim, statistics=statistics)
    network.pretrained = frozenset(f"backbone.{name}" for name in filled)
    network.head = method_of(config, classes, network.embedding_dim)
    if config.auxiliary:
        network.auxiliary = nn.Linear(network.width, classes)
    return network


@torch.no_grad()
def _feature_shape(backbone: nn.Module, image_size: int) -> torch.Size:
    was_training = backbone.training
    backbone.eval()
    features: Tensor = backbone(torch.zeros(1, 3, image_size, image_size))
    backbone.train(was_training)
    return features.shape[1:]
