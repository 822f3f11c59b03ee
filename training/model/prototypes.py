"""Where prototypes start, and how they stay on their sphere."""

from __future__ import annotations

import torch
from torch import Tensor

from interpret.geometry.packing import packing, random_directions


def initial_prototypes(classes: int, dim: int, radius: float, start: str, seed: int) -> Tensor:
    """Prototypes (M, d) of norm `radius`: "random", or "packed" and "similarity" as far apart as
    can be found. (Which class gets which is decided once the data is there: see
    prototype_assignment.)
    """
    choose = random_directions if start == "random" else packing
    points = choose(classes, dim, seed)
    return normalised(torch.from_numpy(points.copy()).float(), radius)


def normalised(prototypes: Tensor, radius: float) -> Tensor:
    """The same directions (M, d) at norm `radius`."""
    norms: Tensor = prototypes.norm(dim=1, keepdim=True)
    return prototypes * (radius / norms.clamp_min(1e-12))


@torch.no_grad()
def renormalise_(prototypes: Tensor, radius: float) -> None:
    """Put prototypes back on their sphere, in place: at the start of each epoch and at the end."""
    prototypes.copy_(normalised(prototypes, radius))
