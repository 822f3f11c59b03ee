"""The optimizers: SGD for all weights; Muon for the convolutions and SGD for the others; or AdamW.

Muon (Jordan et al., Muon: An optimizer for hidden layers in neural networks) makes each update of
a matrix nearly orthogonal, so that every direction learns at the same pace; it takes fewer epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training.config.train_config import TrainConfig
from training.model.networks import PrototypeNetwork

# Decoupled decay with which a convolution's weights settle at a norm of √filters: λ = η / 2.
# Batch normalisation makes their scale indifferent, but the rate is relative to it.
_MUON_DECAY = 0.5
_NEW_LAYERS = 5.0  # AdamW: rate of layers without weights of their own, in rates of the others
_MUON_MOMENTUM = 0.6  # short runs: an update should follow the gradient of the last few steps


class Optimizers:
    """Several optimizers as one."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all parts, the network's layers first."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        """One update of every part."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget every gradient."""
        for part in self.parts:
            part.zero_grad()

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of every part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        """Take back what `state_dict` gave."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


class ConvMuon(torch.optim.Muon):
    """torch's Muon, which takes matrices, for convolutions (F, C, k, k): each as (F, C·k·k), a view
    of the same memory.
    """

    def __init__(self, filters: Sequence[Tensor], lr: float) -> None:
        self._filters = [(weight, nn.Parameter(_matrix(weight, weight.data))) for weight in filters]
        super().__init__(
            [matrix for _, matrix in self._filters],
            lr=lr,
            weight_decay=_MUON_DECAY * lr,
            momentum=_MUON_MOMENTUM,
        )
        self.param_groups[0]["initial_lr"] = lr

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Muon's update; a convolution without a gradient stands still."""
        for weight, matrix in self._filters:
            matrix.grad = None if weight.grad is None else _matrix(weight, weight.grad)
        super().step()  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the convolutions' gradients."""
        for weight, matrix in self._filters:
            weight.grad = matrix.grad = None


def optimizer_for(network: PrototypeNetwork, config: TrainConfig) -> Optimizers:
    """The configured optimizer; the method says how its own vectors are learned."""
    layers = {
        name: parameter
        for name, parameter in network.named_parameters()
        if not name.startswith("head.") and parameter.requires_grad
    }
    heads = network.head.parameter_groups(config)
    if config.optimizer == "sgd":
        groups = [{"params": list(layers.values()), **_layer_options(config, config.lr)}, *heads]
        return Optimizers(torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum))
    if config.optimizer == "adamw":
        return _adamw(network, layers, heads, config)
    filters = [p for p in layers.values() if p.ndim == 4]
    others = [p for p in layers.values() if p.ndim != 4]
    groups = [{"params": others, **_layer_options(config, config.lr)}, *heads]
    rest = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=True)
    return Optimizers(rest, ConvMuon(filters, config.muon_lr))


def _adamw(
    network: PrototypeNetwork,
    layers: dict[str, nn.Parameter],
    heads: list[dict[str, Any]],
    config: TrainConfig,
) -> Optimizers:
    """AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization). Biases and the scales
    of normalisation do not decay.
    """
    groups = []
    for filled, factor in ((True, 1.0), (False, _NEW_LAYERS if network.pretrained else 1.0)):
        own = [p for name, p in layers.items() if (name in network.pretrained) == filled]
        rate = {"initial_lr": config.lr * factor}
        matrices, vectors = [p for p in own if p.ndim > 1], [p for p in own if p.ndim <= 1]
        groups += [
            {"params": matrices, "weight_decay": config.weight_decay, **rate},
            {"params": vectors, "weight_decay": 0.0, **rate},
        ]
    groups = [group for group in [*groups, *heads] if group["params"]]
    return Optimizers(torch.optim.AdamW(groups, lr=config.lr))


def _layer_options(config: TrainConfig, lr: float) -> dict[str, Any]:
    return {"initial_lr": lr, "weight_decay": config.weight_decay}


def _matrix(weight: Tensor, values: Tensor) -> Tensor:
    """`values` in the order in which `weight` lies in memory, one row a filter."""
    if weight.is_contiguous(memory_format=torch.channels_last):
        values = values.permute(0, 2, 3, 1)
    return values.reshape(len(values), -1)
