"""The variants of the loss are what their names say."""

import torch

from tests.benchmarks.loss_variants import VARIANTS, all_rivals, cells_of, euclidean, replaced
from training.model import losses


def test_every_variant_is_compared_with_another_and_has_a_configuration_of_its_own():
    assert {v.reference for v in VARIANTS.values() if v.reference} <= VARIANTS.keys()
    configurations = [
        (cells_of(variant, "digits", range(1))[0].config.model_dump_json(), *variant.replaced)
        for variant in VARIANTS.values()
    ]
    assert len(set(configurations)) == len(VARIANTS)


def test_what_is_replaced_comes_back():
    own = losses.half_norm, losses.negative_sample
    for variant in VARIANTS.values():
        with replaced(variant):
            for name, function in variant.replaced.items():
                assert getattr(losses, name) is function
    assert (losses.half_norm, losses.negative_sample) == own


def test_the_replaced_terms():
    h, c = torch.tensor([[1.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 5.0]])
    assert torch.isclose(euclidean(h), torch.tensor([3.0])).all()
    # With one rival, the nearest is all there are.
    label = torch.tensor([0])
    torch.testing.assert_close(all_rivals(h, label, c), losses.negative_sample(h, label, c))
    c = torch.cat([c, torch.tensor([[1.0, 2.0, 66.0]])])
    expected = -0.5 * (3**0.5 + 64**0.5) / 2
    torch.testing.assert_close(all_rivals(h, label, c), torch.tensor(expected), atol=2e-3, rtol=0)
