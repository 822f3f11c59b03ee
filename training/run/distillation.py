"""Distillation (Hinton et al., Distilling the Knowledge in a Neural Network; Beyer et al., A good
teacher is patient and consistent): a network learns soft targets instead of labels. These are other
networks' probabilities for the very pictures that it sees, augmented and mixed as they are.

The teachers are finished runs, each with the classifier that is better informed: the softmax on
its wide features where it was trained with one, its prototypes where not.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training.config.errors import ConfigError
from training.model.methods import Terms
from training.model.networks import PrototypeNetwork, build_network
from training.run import checkpoint


class Teachers:
    """Networks that stand still, averaged. No module: nothing here is trained or kept."""

    def __init__(self, networks: list[PrototypeNetwork]) -> None:
        self._networks = networks

    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        """Their pooled features (N, F₁ + F₂ + …) float32 of a batch of pixels (N, 3, S, S)."""
        return torch.cat([network(pixels).pooled for network in self._networks], 1)

    @torch.no_grad()
    def soft_targets(self, pixels: Tensor) -> Tensor:
        """The mean of their probabilities (N, M) float32 for a batch of pixels (N, 3, S, S)."""
        probabilities = []
        for network in self._networks:
            embedding, _, pooled = network(pixels)
            with torch.autocast(pixels.device.type, enabled=False):
                wide = network.auxiliary
                logits = network.head.logits(embedding) if wide is None else wide(pooled)
                probabilities.append(logits.float().softmax(1))
        return torch.stack(probabilities).mean(0)


def distilled_terms(terms: Terms, soft: Terms, auxiliary_weight: float) -> Terms:
    """The loss terms with the cross-entropies against soft targets, `soft`, in the place of those
    against labels. The prototypes' terms keep their labels.
    """
    loss = terms["loss"] - terms["cross_entropy"] + soft["cross_entropy"]
    if "auxiliary" in soft:
        loss = loss + auxiliary_weight * (soft["auxiliary"] - terms["auxiliary"])
    return terms | soft | {"loss": loss}


def load_teachers(
    runs: tuple[str, ...], classes: int, image_size: int, device: torch.device
) -> Teachers | None:
    """The networks of finished runs; None of none. Raises ConfigError or CheckpointError."""
    networks = []
    for run in runs:
        network = load_network(Path(run), classes, image_size)
        network.to(device)
        network.to(memory_format=torch.channels_last)
        networks.append(network.eval().requires_grad_(False))
    return Teachers(networks) if networks else None


def load_network(run: Path, classes: int, image_size: int) -> PrototypeNetwork:
    """The network of a finished run, on the CPU. Raises ConfigError or CheckpointError."""
    found = checkpoint.read(run)
    own = len(found.network["head.prototypes"])
    if own != classes:
        raise ConfigError(f"{run}: tells {own} classes apart, the data has {classes}")
    bare = found.config.model_copy(update={"weights": None, "prototype_init": "random"})
    network = build_network(bare, classes, image_size, ((0.0,) * 3, (1.0,) * 3))
    network.load_state_dict(found.network)
    return network
