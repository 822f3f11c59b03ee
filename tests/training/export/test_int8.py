"""INT8 bundles: as good as they claim, exact in their evidence, and refused when worse."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.explainer import Explainer
from interpret.model.onnx_head import without_temperature
from interpret.model.predictor import Predictor
from interpret.trust.calibration import tempered
from tests.interpret.bundle.forge import bundle_without_evidence
from training.config.errors import QuantizationError
from training.evaluate.labelled import DataSource, load_labelled
from training.evaluate.under_changes import limits_of
from training.export.calibrate import calibrate_bundle
from training.export.int8 import export_int8, gallery_pictures, quantise

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
BOUNDS = {"max_accuracy_drop": 0.002, "min_agreement": 0.98, "max_distance_error": 0.05}


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("int8") / "small"
    return export_int8(DIGITS, DataSource("digits"), out, **BOUNDS)


def test_the_certificate_holds(int8: Bundle) -> None:
    fp32 = Bundle.load(DIGITS)
    certificate = int8.manifest.quantization
    assert certificate is not None
    assert certificate.parent == fp32.manifest.fingerprint != int8.manifest.fingerprint
    assert certificate.examples == 359
    assert certificate.accuracy_difference == pytest.approx(
        int8.manifest.metrics.accuracy - fp32.manifest.metrics.accuracy
    )
    pictures = gallery_pictures(fp32, 100)
    expected, actual = (Predictor(bundle)(pictures) for bundle in (fp32, int8))
    same = expected.probabilities.argmax(1) == actual.probabilities.argmax(1)
    assert same.mean() >= certificate.argmax_agreement - 0.02
    away = np.abs(actual.distances - expected.distances).mean() / expected.distances.mean()
    assert away == pytest.approx(certificate.distance_error, rel=1)


def test_a_calibrated_bundle_is_calibrated_anew(tmp_path: Path) -> None:
    source = DataSource("digits")
    fp32 = calibrate_bundle(DIGITS, source, tmp_path / "fp32", coverage=0.9).bundle
    bundle = export_int8(fp32.path, source, tmp_path / "int8", **BOUNDS)
    earlier, found = fp32.manifest.calibration, bundle.manifest.calibration
    assert earlier is not None
    assert found is not None
    assert (found.split, found.examples, found.coverage) == ("valid", 179, 0.9)
    assert found.novelty == earlier.novelty  # of as many pictures and maps
    assert found.max_distance != earlier.max_distance
    assert found.temperature != earlier.temperature
    data = load_labelled(bundle, source)
    pixels = data.splits["valid"].pixels(32, "")
    prediction = Predictor(bundle)(pixels)
    limits = limits_of(bundle, Predictor(bundle), data)
    np.testing.assert_allclose(found.max_distance, limits.max_distance, rtol=1e-5)
    own = Predictor(without_temperature(bundle.read("model.onnx")))(pixels).probabilities
    expected = tempered(own, found.temperature)
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)
    # Calibrated again, it is the same again.
    again = calibrate_bundle(bundle.path, source, tmp_path / "again", coverage=0.9).bundle
    assert again.manifest.calibration == found
    assert again.read("model.onnx") == bundle.read("model.onnx")


def test_the_evidence_is_exact(int8: Bundle) -> None:
    pictures = gallery_pictures(int8, 40)
    prediction = Predictor(int8)(pictures, evidence=True)
    assert prediction.evidence is not None
    np.testing.assert_allclose(prediction.evidence.mean((2, 3)), prediction.embedding, atol=1e-3)
    answer = Explainer(int8).explain(pictures[0])
    total = np.sum(answer.evidence.values)
    difference = answer.negative.distance**2 - answer.positive.distance**2
    assert total == pytest.approx(difference, rel=1e-4)


def test_weights_are_integers_but_for_the_first_layer_and_the_head(int8: Bundle) -> None:
    model = onnx.load_from_string(int8.read("model.onnx"))
    made_by = {output: node for node in model.graph.node for output in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    integer = [
        made_by[node.input[1]].op_type == "DequantizeLinear"
        for node in convolutions
        if node.input[1] in made_by
    ]
    assert len(integer) == len(convolutions) - 1
    assert convolutions[0].input[1] not in made_by
    sizes = [bundle.manifest.files["model.onnx"].size for bundle in (int8, Bundle.load(DIGITS))]
    assert sizes[0] < sizes[1] / 3


def test_a_model_without_evidence(tmp_path: Path) -> None:
    bundle = bundle_without_evidence(tmp_path / "plain")
    model = onnx.load_from_string(bundle.read("model.onnx"))
    for number, node in enumerate(model.graph.node):
        node.name = f"node{number}"
    with pytest.raises(QuantizationError, match="no convolution"):
        quantise(model.SerializeToString(), gallery_pictures(bundle, 4))


def test_the_command(int8: Bundle, tmp_path: Path) -> None:
    def export(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "training", "export", *words]
        return subprocess.run(command, capture_output=True, text=True)

    out = tmp_path / "out"
    words = (str(DIGITS), "--int8", "--data", "digits", "--out", str(out))
    done = export(*words, "--max-distance-error", "0")
    assert done.returncode == 2
    assert "INT8 is not good enough, nothing written: distances are off" in done.stderr
    assert not out.exists()
    done = export(str(int8.path), *words[1:])
    assert done.returncode == 2
    assert "is INT8 already" in done.stderr
    assert "say into what" in export(*words[:1], *words[2:]).stderr
