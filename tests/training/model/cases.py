"""Embeddings, labels and prototypes that the tests of losses and methods share."""

import torch

# Two classes on a circle of radius 2, and three samples.
PROTOTYPES = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
EMBEDDING = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
LABELS = torch.tensor([0, 0, 1])


def random_case(samples: int, classes: int, dim: int, dtype: torch.dtype = torch.float64):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(samples, dim, generator=generator, dtype=dtype) * 3
    prototypes = torch.randn(classes, dim, generator=generator, dtype=dtype) * 3
    labels = torch.randint(classes, (samples,), generator=generator)
    return embedding, labels, prototypes
