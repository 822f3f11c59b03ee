"""The output `novelty`, as computed by hand from the early maps."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from interpret.model.onnx_maps import late_maps
from interpret.model.onnx_novelty import LATE, Centres, Gaussian, with_features, with_novelty
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


def random_pictures(count: int, side: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_the_features_are_the_means_of_the_first_small_map():
    found = with_features(model())
    assert found is not None
    extended, names = found
    assert names == ["features"]  # the maps that it pools come from no convolution
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
    extended = with_novelty(model(), Gaussian(mean, whitening), usual=1.5)
    # Found anew, it takes the place of the earlier one.
    first = with_novelty(model(), Gaussian(mean + 1, 2 * whitening))
    twice = with_novelty(first, Gaussian(mean, whitening), usual=1.5)
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
        with_novelty(toy, Gaussian(np.zeros(3), np.eye(3)))


def test_maps_of_an_earlier_novelty_are_taken_again():
    """Also where the activations that they were found by are gone, as in INT8."""
    pictures, nothing = random_pictures(5), np.zeros(3)
    first = with_novelty(model(), Gaussian(nothing, np.eye(3)))
    proto = onnx.load_from_string(first)
    for node in proto.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Identity"  # all that comes before is positive
    assert with_features(onnx.parser.parse_model(TOY_MODEL).SerializeToString()) is None
    again = with_novelty(proto.SerializeToString(), Gaussian(nothing, 2 * np.eye(3)))
    doubled = 2 * Predictor(first)(pictures).novelty
    np.testing.assert_allclose(Predictor(again)(pictures).novelty, doubled, rtol=1e-6)


MODELS = Path(__file__).parents[3] / "models"


def test_the_late_maps_of_two_networks():
    """Blocks of one width have no narrow maps; those of the pretrained network carry 192 channels
    from block to block, and spread them over 1,152 within.
    """
    plain = late_maps(onnx.load(MODELS / "digits-dpnp" / "model.onnx"))
    assert plain is not None
    assert (len(plain.previous), plain.narrow) == (1, [])
    proto = onnx.load(MODELS / "cifar10-dpnp-9d" / "model.onnx")
    blocks = late_maps(proto)
    assert blocks is not None
    shapes = {v.name: v for v in onnx.shape_inference.infer_shapes(proto).graph.value_info}
    widths = [
        [shapes[name].type.tensor_type.shape.dim[1].dim_value for name in maps]
        for maps in ([blocks.last], blocks.previous, blocks.narrow)
    ]
    assert widths == [[1280], [320], [192]]


@pytest.mark.parametrize("name", ["digits-dpnp", "cifar10-dpnp-9d"])
def test_late_features_of_a_real_network(name: str):
    """Spreads of the pooled maps, means and spreads of those before the last convolution, and means
    of narrow maps; the distance to the nearest of some points is added to novelty.
    """
    bundle = Bundle.load(MODELS / name)
    pictures = random_pictures(6, bundle.manifest.input_size)
    plain = bundle.read("model.onnx")
    maps = late_maps(onnx.load_from_string(plain))
    assert maps is not None
    extended = with_features(plain)
    assert extended is not None
    assert extended[1] == ["features", *LATE[: 4 if maps.narrow else 3]]
    proto = onnx.load_from_string(extended[0])
    sources = [maps.last, *maps.previous, *maps.narrow]
    for source in sources:
        value = onnx.helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, ["n", None] * 2)
        proto.graph.output.append(value)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    shown = [*extended[1], *sources]
    values = dict(zip(shown, session.run(shown, {"pixels": pictures}), strict=True))
    (previous,) = (values[each] for each in maps.previous)
    expected = {
        "pooled_spreads": values[maps.last].std((2, 3)),
        "previous_means": previous.mean((2, 3)),
        "previous_spreads": previous.std((2, 3)),
    }
    if maps.narrow:
        expected["narrow_means"] = values[maps.narrow[0]].mean((2, 3))
    late, parts = [], []
    for number, (output, rows) in enumerate(expected.items(), 1):
        np.testing.assert_allclose(values[output], rows, atol=1e-3)
        units = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
        late.append(Centres(units[:2], number))
        away = np.linalg.norm(units[:, None].astype(float) - units[None, :2].astype(float), axis=2)
        parts.append(number * away.min(1))
    width = values["features"].shape[1]
    flat = Gaussian(np.zeros(width), np.zeros((width, 1)))
    novel = Predictor(with_novelty(plain, flat, late, usual=0.5))(pictures).novelty
    np.testing.assert_allclose(novel, np.sum(parts, axis=0) - 0.5, atol=0.2)  # half precision
    assert novel[:2] == pytest.approx(-0.5, abs=0.2)
    with pytest.raises(BundleError, match="no pooled maps"):
        with_novelty(model(), Gaussian(np.zeros(3), np.eye(3)), late)
