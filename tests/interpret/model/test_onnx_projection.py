"""The projection of ONNX graphs: found, replaced, and told from the trunk before it."""

from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.model.onnx_head import with_prototypes, with_temperature
from interpret.model.onnx_projection import (
    projection_of,
    trunk_digest,
    with_projection,
)
from interpret.model.predictor import Predictor

MODELS = Path(__file__).parents[3] / "models"
SHIPPED = ("cifar10-dpnp-9d", "digits-dpnp", "flowers102-dpnp-10d")


def noise(size: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture(params=[*SHIPPED, "toy"])
def bundle(request: pytest.FixtureRequest, toy_bundle: Bundle) -> Bundle:
    return toy_bundle if request.param == "toy" else Bundle.load(MODELS / request.param)


def test_the_embedding_is_the_projection_of_the_pooled_features(bundle: Bundle):
    found = projection_of(bundle.read("model.onnx"))
    prediction = Predictor(bundle, pooled=True)(noise(bundle.manifest.input_size))
    assert prediction.pooled is not None
    expected = prediction.pooled @ found.weight.T + found.bias
    np.testing.assert_allclose(prediction.embedding, expected, atol=2e-4)
    assert Predictor(bundle)(noise(bundle.manifest.input_size)).pooled is None


def test_another_projection(bundle: Bundle):
    model = bundle.read("model.onnx")
    found, generator = projection_of(model), np.random.default_rng(1)
    weight = (found.weight + generator.normal(0, 0.1, found.weight.shape)).astype(np.float32)
    bias = (found.bias + generator.normal(0, 0.1, found.bias.shape)).astype(np.float32)
    radius = bundle.manifest.radius or 1.0
    pixels = noise(bundle.manifest.input_size)
    old = Predictor(bundle, pooled=True)(pixels)
    assert old.pooled is not None
    changed = model
    for _ in range(2):  # the second time it replaces what it wrote the first time
        changed = with_projection(changed, weight, bias)
        changed = with_prototypes(changed, bundle.prototypes, radius, 1.0)
        new = Predictor(changed)(pixels, evidence=True)
        expected = old.pooled @ weight.T + bias
        np.testing.assert_allclose(new.embedding, expected, atol=2e-4)
        assert new.evidence is not None
        np.testing.assert_allclose(new.evidence.mean((2, 3)), new.embedding, atol=2e-4)
        np.testing.assert_array_equal(new.novelty, old.novelty)
        away = np.linalg.norm(expected[:, None] - bundle.prototypes[None], axis=2)
        np.testing.assert_allclose(new.distances, away, atol=1e-3 * radius)
    again = projection_of(changed)
    np.testing.assert_array_equal(again.weight, weight)
    np.testing.assert_array_equal(again.bias, bias)


def test_the_digest_is_the_trunks(bundle: Bundle):
    model = bundle.read("model.onnx")
    found, radius = projection_of(model), bundle.manifest.radius or 1.0
    same = trunk_digest(model)
    heads = (
        with_temperature(model, 2.0),
        with_prototypes(model, -bundle.prototypes, radius),
        with_projection(model, found.weight * 2, found.bias + 1),
    )
    assert {trunk_digest(each) for each in heads} == {same}


def test_two_trunks_have_two_digests():
    digests = {trunk_digest((MODELS / name / "model.onnx").read_bytes()) for name in SHIPPED}
    assert len(digests) == 3
