"""The INT8 certificate: nothing to tell a network from itself, and the bounds it is held to."""

from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import Quantization
from interpret.model.predictor import Predictor
from training.config.errors import QuantizationError
from training.evaluate.labelled import DataSource, load_labelled
from training.export.int8 import gallery_pictures
from training.export.int8_certificate import compare_with_fp32, refuse

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
BOUNDS = {"max_accuracy_drop": 0.002, "min_agreement": 0.98, "max_distance_error": 0.05}
GOOD = Quantization(
    parent="0" * 64,
    calibration_pictures=256,
    split="digits test",
    examples=359,
    accuracy_difference=-0.002,
    argmax_agreement=0.98,
    distance_error=0.05,
    neighbour_overlap=0.9,
    evidence_error=1e-4,
)


def test_a_network_against_itself():
    bundle = Bundle.load(DIGITS)
    data = load_labelled(bundle, DataSource("digits"))
    pictures = gallery_pictures(bundle, 40)
    certificate, metrics = compare_with_fp32(bundle, Predictor(bundle), data, pictures)
    assert (certificate.parent, certificate.split) == (bundle.manifest.fingerprint, "digits test")
    assert (certificate.examples, certificate.calibration_pictures) == (359, 40)
    assert certificate.accuracy_difference == certificate.distance_error == 0
    assert certificate.argmax_agreement == certificate.neighbour_overlap == 1
    assert certificate.evidence_error < 1e-5
    assert metrics.accuracy == bundle.manifest.metrics.accuracy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"accuracy_difference": -0.003}, "accuracy falls by 0.300% (bound 0.200%)"),
        ({"argmax_agreement": 0.9}, "answers that differ: 10.000%"),
        ({"distance_error": 0.06}, "distances are off by 6.000%"),
        ({"evidence_error": 0.01}, "evidence is off by 1.000%"),
    ],
)
def test_a_bound_that_is_passed_is_named(change: dict[str, float], named: str):
    refuse(GOOD.model_copy(update={"argmax_agreement": 0.981}), **BOUNDS)
    with pytest.raises(QuantizationError) as caught:
        refuse(GOOD.model_copy(update=change), **BOUNDS)
    assert named in str(caught.value)
