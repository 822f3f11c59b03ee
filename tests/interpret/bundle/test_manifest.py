"""The manifest's keys on disk, and the limits it gives an answer."""

import json
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import Manifest, Thresholds, TrainingCost
from interpret.model.fitting import in_words
from tests.conftest import toy_manifest, write_toy_bundle
from tests.interpret.trust.simulated import calibration


def test_the_training_cost_has_the_key_of_format_version_1(tmp_path: Path):
    cost = TrainingCost(seconds=12.5, device="CPU (2 threads)")
    bundle = write_toy_bundle(tmp_path / "toy", training_cost=cost)
    document = json.loads((bundle.path / "manifest.json").read_text())
    assert document["effort"] == {"seconds": 12.5, "device": "CPU (2 threads)"}
    assert "training_cost" not in document
    assert Bundle.load(bundle.path).manifest.training_cost == cost
    assert Manifest.model_validate(document).training_cost == cost


def test_limits_are_the_class_s_own_where_there_are_any():
    plain = toy_manifest()
    far = np.array([4.0, 3.0, 1.0])
    assert plain.limits(far) == plain.thresholds
    calibrated = toy_manifest(calibration=calibration(max_distance=[1, 2, 3], min_margin=[4, 5, 6]))
    assert calibrated.limits(far) == Thresholds(max_distance=3, min_margin=6, source="calibration")
    assert Manifest.model_validate(calibrated.model_dump()) == calibrated


@pytest.mark.parametrize(
    ("rivals", "needed"),
    [
        ([0.0, 1.5, 0.0], 1.5),  # the nearest rival's own limit
        ([3.0, 1.5, 0.0], 2.0),  # another one's, less the 1 that it is farther away
        ([2.0, -0.5, -1.5], 1.5),  # the answer itself must be clearly in the set
    ],
)
def test_the_margin_needed_depends_on_the_rivals_that_are_near(rivals: list[float], needed: float):
    found = calibration(rival_margin=rivals)
    assert toy_manifest(calibration=found).limits(np.array([4.0, 3.0, 1.0])).min_margin == (
        pytest.approx(needed)
    )


def test_every_class_needs_limits():
    with pytest.raises(ValueError, match="does not have limits for every class"):
        toy_manifest(calibration=calibration(max_distance=[1, 2]))


def test_a_bundle_without_figures_of_classes_keeps_its_fingerprint(tmp_path: Path):
    """Earlier releases wrote `metrics` without them: the file's own bytes are what is verified."""
    bundle = Bundle.load(Path(__file__).parents[3] / "models" / "digits-dpnp")
    document = json.loads((bundle.path / "manifest.json").read_text())
    assert "per_class" not in document["metrics"]
    assert bundle.manifest.fingerprint == document["fingerprint"]
    metrics = bundle.manifest.metrics
    assert (metrics.per_class, metrics.balanced_accuracy, metrics.train_accuracy) == (None,) * 3


def test_an_earlier_bundle_shows_its_model_the_centred_square():
    bundle = Bundle.load(Path(__file__).parents[3] / "models" / "digits-dpnp")
    document = json.loads((bundle.path / "manifest.json").read_text())
    assert "fit" not in document
    assert bundle.manifest.fit == "crop"
    assert bundle.manifest.preprocessing == in_words("crop")
    assert bundle.manifest.fingerprint == document["fingerprint"]


@pytest.mark.parametrize(("trained", "expected"), [(None, 4), (4, 4), (16, 16)])
def test_a_network_may_enlarge_its_input(trained: int | None, expected: int) -> None:
    manifest = toy_manifest(training={"image_size": trained})
    assert (manifest.input_size, manifest.network_size) == (4, expected)
    assert toy_manifest().network_size == 4  # the configuration is not recorded
