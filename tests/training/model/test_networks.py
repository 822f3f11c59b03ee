"""Embeddings are means over locations; a seed gives one network; the head stands beside it."""

import pytest
import torch
from torch import nn

from tests.training.conftest import quick_config
from training.model.networks import PrototypeNetwork, build_network

STATISTICS = ([100.0, 110.0, 120.0], [50.0, 60.0, 70.0])


class Halved(nn.Module):
    """Pixels at half their size, as features."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x, 2)


def test_the_embedding_of_normalised_pixels_by_hand():
    network = PrototypeNetwork(Halved(), 4, None, STATISTICS)
    pixels = torch.tensor([150.0, 50.0, 120.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    embedding, features, pooled = network(pixels.to(torch.uint8))
    assert embedding.tolist() == [[1.0, -1.0, 0.0]]
    assert features.shape == (1, 3, 2, 2)
    assert torch.equal(pooled, embedding)
    assert (network.width, network.embedding_dim, network.locations) == (3, 3, (2, 2))


def test_the_mean_of_local_embeddings_is_the_embedding():
    network = build_network(quick_config(), 10, 16, STATISTICS).eval()
    pixels = torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    embedding, features, _ = network(pixels)
    local = network.local_embeddings(features)
    assert local.shape == (4, 3, *network.locations)
    torch.testing.assert_close(local.mean((2, 3)), embedding)


def test_features_without_locations_are_their_own_mean():
    network = PrototypeNetwork(nn.Flatten(), 2, 5)
    assert (network.width, network.embedding_dim, network.locations) == (12, 5, ())
    pixels = torch.arange(12.0).view(1, 3, 2, 2)
    assert torch.equal(network(pixels).pooled, pixels.view(1, 12))


def test_a_seed_gives_one_network():
    first, again, other = (
        build_network(quick_config(seed=seed, auxiliary=1.0), 10, 16, STATISTICS).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["head.prototypes"], other["head.prototypes"])
    assert not torch.equal(first["projection.weight"], other["projection.weight"])


@pytest.mark.parametrize(("auxiliary", "there"), [(0.0, False), (0.5, True)])
def test_an_auxiliary_softmax_only_where_it_has_a_weight(auxiliary: float, there: bool):
    network = build_network(quick_config(auxiliary=auxiliary), 10, 16, STATISTICS)
    assert (network.auxiliary is not None) == there


def test_measuring_the_features_leaves_the_mode_and_statistics_of_the_backbone():
    network = build_network(quick_config(), 10, 16, STATISTICS)
    assert network.backbone.training
    counts = [b for name, b in network.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts
    assert all(count == 0 for count in counts)
