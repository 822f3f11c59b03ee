import math

import numpy as np
import pytest
import torch

from interpret.geometry.geometry import nearest_angles
from training.model.prototypes import initial_prototypes, renormalise_


@pytest.mark.parametrize(
    ("classes", "dim", "limit"),
    [
        (10, 3, 66.147),  # Tammes
        (6, 3, 90.0),  # octahedron
        (4, 3, math.degrees(math.acos(-1 / 3))),  # simplex
        (10, 512, math.degrees(math.acos(-1 / 9))),
        (5, 2, 72.0),  # pentagon
    ],
)
def test_packed_start_is_near_the_widest_possible(classes: int, dim: int, limit: float):
    angles = nearest_angles(initial_prototypes(classes, dim, 40.0, "packed", 0).numpy())
    assert limit - 0.15 < angles.min() <= limit + 0.01


@pytest.mark.parametrize("start", ["packed", "random"])
def test_starts_lie_on_the_sphere_and_follow_the_seed(start: str):
    first = initial_prototypes(10, 3, 40.0, start, seed=1)
    assert torch.allclose(first.norm(dim=1), torch.full((10,), 40.0))
    assert torch.equal(first, initial_prototypes(10, 3, 40.0, start, seed=1))
    assert not torch.equal(first, initial_prototypes(10, 3, 40.0, start, seed=2))


def test_renormalise_keeps_directions():
    prototypes = torch.tensor([[3.0, 4.0], [0.0, 0.5]])
    renormalise_(prototypes, 10.0)
    np.testing.assert_allclose(prototypes, [[6.0, 8.0], [0.0, 10.0]])
