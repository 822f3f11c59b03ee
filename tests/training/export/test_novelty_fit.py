"""The fit of the output `novelty`, and what a changed bundle keeps of it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from interpret.commands.app import build_app
from interpret.edit import classes
from interpret.explain.explainer import Explainer
from interpret.model.fitting import fit_square
from interpret.model.images import open_image
from interpret.model.onnx_head import with_temperature
from interpret.model.onnx_novelty import LATE, Gaussian, with_features, with_novelty
from interpret.model.predictor import Predictor
from interpret.trust.calibration import accepted, find_limits, kept
from interpret.trust.ood_scores import noise, verdict_shares
from interpret.trust.verdict import verdict
from tests.conftest import TOY_MODEL
from training.data.benign_changes import STRONGEST, changed, randomly_changed
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.evaluate.labelled import DataSource, load_labelled
from training.evaluate.under_changes import in_copies, limits_of, under_changes
from training.export.calibrate import CHANGES, calibrate_bundle
from training.export.novelty_fit import (
    add_novelty,
    class_centres,
    gaussian,
    half_changed,
    on_unit_sphere,
    to_nearest,
)

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("calibrated") / "digits"
    return calibrate_bundle(DIGITS, DataSource("digits"), out).bundle


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_data("digits")


def test_a_map_that_never_changes_is_measured_too():
    rows = np.random.default_rng(0).standard_normal((50, 3))
    rows[:, 1] = 4
    mean, whitening = gaussian(rows)
    assert np.isfinite(whitening).all()
    np.testing.assert_allclose(mean[1], 4)


def test_a_network_without_early_maps_stays_as_it_is(digits: DataSet):
    toy = onnx.parser.parse_model(TOY_MODEL).SerializeToString()
    assert add_novelty(toy, digits.splits["train"]) == (toy, None)
    with pytest.raises(BundleError, match="no early activation maps"):
        with_novelty(toy, Gaussian(np.zeros(3), np.eye(3)))


def test_no_part_drowns_the_others(calibrated: Bundle, digits: DataSet):
    """The length in the early maps and each distance in the late ones vary as much as the distance
    to the prototype, on the pictures that they were fitted on; novelty is their sum.
    """
    found = calibrated.manifest.calibration
    assert found is not None
    assert found.novelty is not None
    train = digits.splits["train"]
    assert found.novelty.pictures == len(train)
    assert found.novelty.centres == 120  # one for ten pictures, as many for each class
    model = calibrated.read("model.onnx")
    constants = {
        each.name.removeprefix("novelty."): numpy_helper.to_array(each).astype(np.float64)
        for each in onnx.load_from_string(model).graph.initializer
        if each.name.startswith("novelty.")
    }
    extended = with_features(model)
    assert extended is not None
    pixels = half_changed(train).pixels(32, "")
    early, *late = Predictor(extended[0]).run(extended[1], pixels)
    parts = [np.linalg.norm((early - constants["mean"]) @ constants["whitening"], axis=1)]
    for name, features in zip(LATE[:3], late, strict=True):  # it has no narrow maps
        points = constants[f"{name}.points"].T / -2
        parts.append(to_nearest(on_unit_sphere(features), points) * constants[f"{name}.scale"])
    prediction = Predictor(calibrated)(pixels)
    spread = prediction.distances[np.arange(len(prediction.answers)), prediction.answers].std()
    for part in parts:
        assert part.std() == pytest.approx(spread, rel=0.01)
    expected = np.sum(parts, axis=0) - constants["usual"]
    np.testing.assert_allclose(prediction.novelty, expected, atol=0.1 * spread)  # float32
    assert np.median(prediction.novelty) == pytest.approx(0, abs=0.05 * float(spread))


def test_every_second_picture_is_changed(digits: DataSet):
    some = digits.splits["train"].subset(np.arange(8))
    found = half_changed(some)
    for row in range(8):
        picture = some.open_picture(row)
        if row % 4 == 1:
            picture = randomly_changed(some, 0).open_picture(row)
        if row % 4 == 3:
            picture = STRONGEST(picture)
        np.testing.assert_array_equal(found.open_picture(row), picture)


def test_centres_of_two_classes():
    """Two centres for each class; those of the first lie in the middle of two heaps."""
    angles = np.array([0.0, 0.02, 1.0, 1.02, 3.0, 3.0])
    rows = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    found = class_centres(rows, np.array([0, 0, 0, 0, 1, 1]), 4).astype(np.float64)
    middle = [rows[:2].mean(0), rows[2:4].mean(0), rows[4], rows[5]]
    np.testing.assert_allclose(found, middle, atol=1e-3)
    assert class_centres(rows, np.arange(6), 3).shape == (3, 2)  # more classes than centres
    away = to_nearest(rows, found)
    np.testing.assert_allclose(away, [0.01, 0.01, 0.01, 0.01, 0, 0], atol=1e-3)


def test_the_verdict_is_of_distance_and_novelty_together(calibrated: Bundle, digits: DataSet):
    explainer = Explainer(calibrated)
    pictures = np.concatenate([digits.splits["test"].pixels(32, "")[:60], noise(32, 40)])
    answers = explainer.classify(pictures)
    assert {a.verdict for a in answers} >= {"accept", "none_of_these"}
    for answer, picture in zip(answers, pictures, strict=True):
        limits = calibrated.manifest.limits(explainer.predictor(picture[None]).distances[0])
        ood_score = answer.positive.distance + answer.novelty
        assert answer.verdict == verdict(ood_score, answer.margin, limits)
    assert {a.verdict for a in answers[60:]} == {"none_of_these"}
    assert verdict_shares(explainer.predictor(pictures[60:]), calibrated.manifest) == {
        "accept": 0,
        "ambiguous": 0,
        "none_of_these": 1,
    }


def test_the_table_of_predictions_has_it(calibrated: Bundle):
    picture = str(DIGITS.parents[1] / "docs" / "digit.png")
    result = CliRunner().invoke(build_app(), ["predict", str(calibrated.path), picture])
    head, row = (line.replace("┃", "│") for line in result.stdout.splitlines() if line[0] in "┃│")
    cells = [[c.strip() for c in line.strip("│").split("│")] for line in (head, row)]
    (answer,) = Explainer(calibrated).classify(
        fit_square(open_image(Path(picture)), calibrated.manifest.input_size)[None]
    )
    assert dict(zip(*cells, strict=True))["novelty"] == f"{answer.novelty:.3f}"


def test_the_limits_are_found_with_it(calibrated: Bundle, digits: DataSet):
    valid, test = digits.splits["valid"], digits.splits["test"]
    predictor = Predictor(calibrated)
    whole = in_copies(predictor, predictor(valid.pixels(32, "")), valid, CHANGES, "valid")
    limits = find_limits(whole, np.tile(valid.labels, CHANGES + 1), 0.95, CHANGES + 1)
    np.testing.assert_allclose(limits.max_distance, calibrated.manifest.calibration.max_distance)
    prediction = predictor(test.pixels(32, ""))
    # 95 % is what holds on average; 179 pictures are few to find limits from.
    assert kept(prediction, test.labels, limits).mean() > 0.9
    given = verdict_shares(prediction, calibrated.manifest)
    assert given["accept"] == pytest.approx(accepted(prediction, limits).mean())


def test_two_of_six_changed_copies_are_the_strongest_change(calibrated: Bundle, digits: DataSet):
    some, predictor = digits.splits["valid"].subset(np.arange(5)), Predictor(calibrated)
    whole = in_copies(predictor, predictor(some.pixels(32, "")), some, 6, "valid")
    assert len(whole.novelty) == 35
    strongest = predictor(changed(some, STRONGEST).pixels(32, ""))
    for number, copy in enumerate(np.split(whole.novelty, 7)):
        assert np.array_equal(copy, strongest.novelty) == (number in (1, 4))


def test_a_changed_bundle_keeps_its_novelty(calibrated: Bundle, digits: DataSet, tmp_path: Path):
    pictures = np.concatenate([digits.splits["test"].pixels(32, "")[:5], noise(32, 4)])
    expected = Predictor(calibrated)(pictures).novelty
    smaller = classes.remove_class(calibrated, "9", tmp_path / "smaller")
    np.testing.assert_array_equal(Predictor(smaller)(pictures).novelty, expected)
    hot = with_temperature(calibrated.read("model.onnx"), 2.0)
    np.testing.assert_array_equal(Predictor(hot)(pictures).novelty, expected)
    again = calibrate_bundle(calibrated.path, DataSource("digits"), tmp_path / "again").bundle
    np.testing.assert_allclose(Predictor(again)(pictures).novelty, expected, rtol=1e-4, atol=1e-3)


def test_coverage_holds_under_benign_changes(calibrated: Bundle):
    """Of real digits, with limits from 179 of them, which are few, and at 8×8 pixels, of which a
    change of size takes much; tests/test_models.py looks at photographs.
    """
    data, predictor = load_labelled(calibrated, DataSource("digits")), Predictor(calibrated)
    limits = limits_of(calibrated, predictor, data)
    found = under_changes(calibrated, predictor, data, "test", limits, 359)
    assert len(found) == 16
    for each in found:
        assert each.kept > 0.8, each
        assert sum(each.verdicts.values()) == pytest.approx(1)
    assert np.median([each.kept for each in found]) > 0.9
    assert found[0].change == "as it is"
    assert found[0].verdicts == pytest.approx(
        verdict_shares(predictor(data.splits["test"].pixels(32, "")), calibrated.manifest)
    )
