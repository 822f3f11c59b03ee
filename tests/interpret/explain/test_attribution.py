"""Attributions against what they must equal: the network by ONNX Runtime, sums, closed forms."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError, DpnpError
from interpret.explain.attribution import Attributor, as_batch
from interpret.explain.attribution_methods import TITLES, AttributionMethod
from interpret.explain.evidence import evidence_map
from interpret.explain.fine_evidence import fine_evidence, refine
from interpret.model.images import decode, featureless, fit_square
from tests.conftest import TOY_MODEL, write_toy_bundle
from tests.interpret.bundle.forge import bundle_without_evidence, replace_file

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
EIGHT, THREE = 8, 3


@pytest.fixture(scope="module")
def attributor() -> Attributor:
    return Attributor(Bundle.load(DIGITS))


@pytest.fixture(scope="module")
def digit() -> np.ndarray:
    picture = decode((DIGITS.parents[1] / "docs" / "digit.png").read_bytes())
    return fit_square(picture, 32)


def test_torch_computes_what_onnx_runtime_does(attributor: Attributor, digit: np.ndarray):
    pictures = np.stack([digit, digit[::-1], 255 - digit])
    expected = attributor.predictor(pictures).embedding
    found = attributor.network(as_batch(pictures)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


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


def test_an_unknown_operation_is_named(tmp_path: Path):
    path = write_toy_bundle(tmp_path / "toy").path
    odd = TOY_MODEL.replace(
        "unit = Div(colours, scale)", "odd = Div(colours, scale)\n  unit = Sin(odd)"
    )
    replace_file(path, "model.onnx", onnx.parser.parse_model(odd).SerializeToString())
    with pytest.raises(BundleError, match=r"model\.onnx: torch has no counterpart for Sin"):
        Attributor(Bundle.load(path))


def test_fine_evidence_keeps_every_cell_s_sum(attributor: Attributor, digit: np.ndarray):
    local = attributor.predictor(digit[None], evidence=True).evidence
    assert local is not None
    centres = attributor.bundle.prototypes[[EIGHT, THREE]]
    fine = fine_evidence(attributor.predictor, digit, *centres, factor=4)
    assert fine is not None
    assert fine.shape == (16, 16)
    np.testing.assert_allclose(
        fine.reshape(4, 4, 4, 4).sum((1, 3)), evidence_map(local[0], *centres), atol=1e-6
    )


def test_refine_by_hand():
    # Two cells side by side, twice as fine. The plain map says (4, 0), the one moved by half a
    # cell to the right (2, 0): its first cell covers fine columns 1 and 2 of 4.
    coarse = np.array([[4.0, 0.0]])
    fine = refine(coarse, np.array([[[4.0, 0.0]], [[2.0, 0.0]]]), [(0, 0), (0, 1)], factor=2)
    # Averages a row: 1, (1 + .5)/2, (0 + .5)/2, 0; short of the cells' sums by 0.5 and −0.5.
    np.testing.assert_allclose(fine[0], [1.125, 0.875, 0.125, -0.125])
    np.testing.assert_allclose(fine.reshape(1, 2, 2, 2).sum((1, 3)), coarse)


def test_the_toy_s_fine_evidence_finds_the_pixel(toy_bundle: Bundle):
    # Its cells are pixels already: nothing is finer, and the sums stay.
    attributor = Attributor(toy_bundle)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[1, 2] = (255, 0, 0)
    fine = attributor.attribute(pixels, "fine-evidence", 0, 1).values
    blocks = fine.reshape(4, 4, 4, 4).sum((1, 3))
    assert np.unravel_index(blocks.argmax(), (4, 4)) == (1, 2)
    assert blocks.sum() == pytest.approx(2 / 16)
