"""The output `novelty`, as computed by hand from the early maps."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis

from interpret.bundle.errors import BundleError
from interpret.model.onnx_novelty import with_features, with_novelty
from interpret.model.predictor import Predictor
from tests.conftest import TOY_MODEL

# The toy with pictures of 8×8 pixels, and maps before the embedding: one of 2×2, then one of 1×1.
_POOLED = "embedding = ReduceMean<keepdims = 0>"
CONVOLUTIONAL = TOY_MODEL.replace("4, 4", "8, 8").replace(
    f"{_POOLED}(evidence, locations)",
    f"""large = Relu(evidence)
  quarters = AveragePool<kernel_shape = [4, 4], strides = [4, 4]>(large)
  early = Relu(quarters)
  half = AveragePool<kernel_shape = [2, 2]>(early)
  late = Relu(half)
  {_POOLED}(late, locations)""",
)


def model() -> bytes:
    return onnx.parser.parse_model(CONVOLUTIONAL).SerializeToString()


def random_pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def test_the_features_are_the_means_of_the_first_small_map():
    extended = with_features(model())
    assert extended is not None
    pictures = random_pictures(5)
    features, embedding = Predictor(extended).run(("features", "embedding"), pictures)
    np.testing.assert_allclose(features, pictures.mean((1, 2)) / 255, rtol=1e-5)
    np.testing.assert_allclose(features, embedding, rtol=1e-5)
    made_by = {o: node for node in onnx.load_from_string(extended).graph.node for o in node.output}
    (mean,) = made_by["features"].input
    assert made_by[mean].input[0] == "early"


def test_novelty_is_the_mahalanobis_distance_less_the_usual():
    pictures = random_pictures(40)
    rows = pictures.mean((1, 2)) / 255
    mean, covariance = rows.mean(0), np.cov(rows.T)
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    extended = with_novelty(model(), mean, whitening, 1.5)
    # Found anew, it takes the place of the earlier one.
    twice = with_novelty(with_novelty(model(), mean + 1, 2 * whitening, 0), mean, whitening, 1.5)
    assert len(twice) == len(extended)
    inverse = np.linalg.inv(covariance)
    expected = [mahalanobis(row, mean, inverse) - 1.5 for row in rows]
    before = Predictor(model())(pictures)
    for each in (extended, twice):
        found = Predictor(each)(pictures)
        np.testing.assert_allclose(found.novelty, expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(found.distances, before.distances)
        away = found.distances[np.arange(40), found.answers]
        np.testing.assert_allclose(found.ood_score, away + found.novelty, rtol=1e-6)
    assert not before.novelty.any()
    np.testing.assert_array_equal(before.ood_score, before.distances.min(1).astype(np.float64))


def test_a_network_without_early_maps():
    toy = onnx.parser.parse_model(TOY_MODEL).SerializeToString()
    assert with_features(toy) is None
    with pytest.raises(BundleError, match="no early activation maps"):
        with_novelty(toy, np.zeros(3), np.eye(3), 0)


def test_maps_of_an_earlier_novelty_are_taken_again():
    """Also where the activations that they were found by are gone, as in INT8."""
    pictures, nothing = random_pictures(5), np.zeros(3)
    first = with_novelty(model(), nothing, np.eye(3), 0)
    proto = onnx.load_from_string(first)
    for node in proto.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Identity"  # all that comes before is positive
    assert with_features(onnx.parser.parse_model(TOY_MODEL).SerializeToString()) is None
    again = with_novelty(proto.SerializeToString(), nothing, 2 * np.eye(3), 0)
    doubled = 2 * Predictor(first)(pictures).novelty
    np.testing.assert_allclose(Predictor(again)(pictures).novelty, doubled, rtol=1e-6)
