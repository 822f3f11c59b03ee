"""Attributions against what they must equal: the network by ONNX Runtime, sums, closed forms."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.explain.attribution import Attributor
from interpret.explain.attribution_methods import TITLES, AttributionMethod
from interpret.model.fitting import fit_square
from interpret.model.images import decode, featureless
from tests.interpret.bundle.forge import bundle_without_evidence

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
EIGHT, THREE = 8, 3


@pytest.fixture(scope="module")
def attributor() -> Attributor:
    return Attributor(Bundle.load(DIGITS))


@pytest.fixture(scope="module")
def digit() -> np.ndarray:
    picture = decode((DIGITS.parents[1] / "docs" / "digit.png").read_bytes())
    return fit_square(picture, 32)


@pytest.mark.parametrize("method", TITLES)
def test_every_method_explains_the_same_scalar(
    attributor: Attributor, digit: np.ndarray, method: AttributionMethod
):
    found = attributor.attribute(digit, method, EIGHT, THREE)
    away = attributor.predictor(digit[None]).distances[0].astype(float)
    assert found.margin == pytest.approx(away[THREE] ** 2 - away[EIGHT] ** 2, rel=1e-4)
    assert np.isfinite(found.values).all()
    again = attributor.attribute(digit, method, EIGHT, THREE)
    np.testing.assert_array_equal(found.values, again.values)


@pytest.mark.parametrize(
    ("method", "tolerance"), [("evidence", 1e-5), ("fine-evidence", 1e-5), ("ig", 0.02)]
)
def test_complete_methods_add_up(
    attributor: Attributor, digit: np.ndarray, method: AttributionMethod, tolerance: float
):
    found = attributor.attribute(digit, method, EIGHT, THREE)
    assert found.values.sum() == pytest.approx(found.expected_sum, rel=tolerance)
    assert found.expected_sum is not None
    if method == "ig":
        blurred = attributor.predictor(featureless(digit)[None]).distances[0].astype(float)
        rise = found.margin - (blurred[THREE] ** 2 - blurred[EIGHT] ** 2)
        assert found.expected_sum == pytest.approx(rise, rel=1e-4)


def test_grad_cam_is_the_evidence_but_for_the_bias(attributor: Attributor, digit: np.ndarray):
    # After the pooling everything is linear: the gradient is the same at every location, and
    # gradient × activation lacks the projection's bias alone, which is even over the locations.
    cam = attributor.attribute(digit, "gradcam", EIGHT, THREE).values
    exact = attributor.attribute(digit, "evidence", EIGHT, THREE).values
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in _graph().initializer}
    positive, negative = attributor.bundle.prototypes[[EIGHT, THREE]].astype(float)
    bias = 2 * (positive - negative) @ constants["network.projection.bias"] / exact.size
    np.testing.assert_allclose(cam + bias, exact, atol=1e-3)


def _graph() -> onnx.GraphProto:
    return onnx.load(DIGITS / "model.onnx").graph


def test_the_toy_by_hand(toy_bundle: Bundle):
    # h is the mean colour: margin 2 (r − g), linear in every pixel. So integrated gradients are
    # 2 (Δr − Δg) / 16 a pixel, with Δ the difference to the blurred picture.
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0], pixels[3, 3] = (255, 0, 0), (0, 255, 0)
    found = Attributor(toy_bundle).attribute(pixels, "ig", 0, 1).values
    change = (pixels.astype(float) - featureless(pixels)) / 255
    np.testing.assert_allclose(found, 2 * (change[..., 0] - change[..., 1]) / 16, atol=1e-6)
    assert found[0, 0] > 0 > found[3, 3]


def test_occlusion_by_hand(toy_bundle: Bundle):
    # A window of 2×2 pixels, moved by one. The corner is under one window alone: hiding it takes
    # the red of that window away.
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    found = Attributor(toy_bundle).attribute(pixels, "occlusion", 0, 1).values
    window = (pixels.astype(float) - featureless(pixels))[:2, :2, 0].sum() / 255
    assert found[0, 0] == pytest.approx(2 * window / 16, abs=1e-6)


def test_a_network_without_locations(tmp_path: Path):
    attributor = Attributor(bundle_without_evidence(tmp_path / "toy"))
    pixels = np.full((4, 4, 3), 9, np.uint8)
    with pytest.raises(DpnpError, match="no evidence map"):
        attributor.attribute(pixels, "evidence", 0, 1)
    assert attributor.attribute(pixels, "ig", 0, 1).values.shape == (4, 4)
