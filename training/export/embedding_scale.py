"""How long a network's embeddings are, beside its prototypes.

The loss of a softmax leaves the length of the embedding open: smoothed labels want it short, sure
ones long. The nearest prototype is the same at each length. But distances mean most where pictures
lie near their own prototypes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from training.data.batches import in_order
from training.data.splits import Split
from training.export.onnx_export import ServedModel, run_torch

SAMPLE = 2_000  # training pictures that the scale is found on, at most
_BATCH = 250


@torch.no_grad()
def scale_to_prototypes_(model: ServedModel, train: Split, side: int) -> float:
    """Multiply a network's embedding by the s for which the mean of ‖s·h − c_y‖² over training
    pictures, of `side` pixels, is the least: the sum of h·c_y over that of ‖h‖².

    Returns s; 1, and nothing is changed, for a network without prototypes on a sphere, or without a
    layer to scale.
    """
    head, layer = model.network.head, model.network.projection
    if not head.on_sphere or not isinstance(layer, nn.Linear):
        return 1.0
    rows = np.linspace(0, len(train) - 1, min(len(train), SAMPLE)).astype(np.int64)
    some, prototypes = train.subset(rows), head.prototypes.cpu().numpy()
    products = squares = 0.0
    for part in in_order(len(some), _BATCH):
        shown = some.subset(part.numpy())
        embedding = run_torch(model, shown.pixels(side, "")).embedding.astype(np.float64)
        products += float((embedding * prototypes[shown.labels]).sum())
        squares += float((embedding**2).sum())
    if products <= 0:  # it learned nothing
        return 1.0
    for parameter in layer.parameters():
        parameter.mul_(products / squares)
    return products / squares
