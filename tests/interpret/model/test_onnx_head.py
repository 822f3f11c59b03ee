"""The head changed: what must stay, and what must be as computed from the embedding."""

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from interpret.geometry import geometry
from interpret.model.onnx_head import (
    head_alone,
    radius_of,
    with_prototypes,
    with_temperature,
    without_temperature,
)
from interpret.model.predictor import Predictor, run_head
from interpret.trust.calibration import tempered
from tests.conftest import TOY_MODEL

MODELS = Path(__file__).parents[3] / "models"
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def model(toy_bundle: Bundle) -> bytes:
    return toy_bundle.read("model.onnx")


def test_a_temperature_changes_the_probabilities_alone(model: bytes):
    before = Predictor(model)(PIXELS, evidence=True)
    # Twice, as a calibrated bundle may be calibrated again: the second one counts.
    after = Predictor(with_temperature(with_temperature(model, 4.0), 0.5))(PIXELS, evidence=True)
    np.testing.assert_allclose(after.probabilities, tempered(before.probabilities, 0.5), atol=1e-6)
    for a, b in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(before.evidence, after.evidence)


def test_the_temperature_is_taken_out_without_a_trace(model: bytes):
    plain = without_temperature(model)
    assert without_temperature(with_temperature(with_temperature(model, 4.0), 0.5)) == plain
    tail = with_prototypes(model, np.eye(3, dtype=np.float32), 1.0, temperature=3.0)
    models = (tail, without_temperature(tail))
    hot, cold = (Predictor(each)(PIXELS).probabilities for each in models)
    np.testing.assert_allclose(hot, tempered(cold, 3.0), atol=1e-6)
    np.testing.assert_allclose(cold, Predictor(model)(PIXELS).probabilities, atol=1e-6)


def test_several_temperatures_of_older_releases_are_one():
    """The committed bundle was calibrated twice, one division after the other."""
    bundle = Bundle.load(MODELS / "cifar10-dpnp-9d")
    assert bundle.manifest.calibration is not None
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    model = bundle.read("model.onnx")
    own = Predictor(without_temperature(model))(pixels).probabilities
    temperature = bundle.manifest.calibration.temperature
    expected = tempered(own, temperature)
    np.testing.assert_allclose(Predictor(model)(pixels).probabilities, expected, atol=1e-5)


def test_no_softmax_no_temperature():
    plain = TOY_MODEL.replace("Softmax(logits)", "Sigmoid(logits)")
    model = onnx.parser.parse_model(plain).SerializeToString()
    with pytest.raises(BundleError, match="softmax"):
        with_temperature(model, 2.0)


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_other_prototypes(model: bytes, classes: int, spread: float):
    generator = np.random.default_rng(classes)
    prototypes = generator.standard_normal((classes, 3))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    prototypes *= 1 - spread * generator.random((classes, 1))
    prototypes = prototypes.astype(np.float32)
    before = Predictor(model)(PIXELS, evidence=True)
    changed = with_prototypes(model, prototypes, 0.35, 2.0)
    assert radius_of(changed) == pytest.approx(0.35)
    assert radius_of(model) is None
    after = Predictor(changed)(PIXELS, evidence=True)
    np.testing.assert_array_equal(before.embedding, after.embedding)
    np.testing.assert_array_equal(before.evidence, after.evidence)
    away = geometry.distances(before.embedding, prototypes)
    np.testing.assert_allclose(after.distances, away, atol=1e-5)
    scores = before.embedding @ prototypes.T - np.square(prototypes).sum(1) / 2
    powers = np.exp(scores / 0.7)
    expected = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(after.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(after.distances.argmin(1), after.probabilities.argmax(1))


@pytest.mark.parametrize("name", ["digits-dpnp", "cifar10-dpnp-9d"])
def test_the_head_alone_computes_what_the_whole_does(name: str) -> None:
    bundle = Bundle.load(MODELS / name)
    predictor = Predictor(bundle, threads=1)
    side = predictor.input_size
    pixels = np.random.default_rng(0).integers(0, 256, (7, side, side, 3), np.uint8)
    whole = predictor(pixels)
    distances, probabilities = run_head(head_alone(bundle.read("model.onnx")), whole.embedding)
    np.testing.assert_array_equal(distances, whole.distances)
    np.testing.assert_array_equal(probabilities, whole.probabilities)


def test_a_head_that_sees_more_than_the_embedding_is_refused() -> None:
    mixed = """
    <ir_version: 9, opset_import: ["" : 18]>
    mixed (float[n, 3] pixels) => (float[n, 3] embedding, float[n, 3] distances,
        float[n, 3] probabilities)
    {
      embedding = Neg(pixels)
      distances = Abs(embedding)
      probabilities = Softmax(pixels)
    }
    """
    with pytest.raises(BundleError, match="do not follow from its embeddings alone"):
        head_alone(onnx.parser.parse_model(mixed).SerializeToString())
