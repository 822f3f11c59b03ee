"""Classes added and removed without training, on the toy bundle, where all is known."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Confusion
from interpret.bundle.errors import DpnpError, ImageError, UnknownLabelError
from interpret.bundle.manifest import ClassFigures
from interpret.edit.classes import accuracy_cost, add_class, remove_class
from interpret.explain.explainer import Explainer
from interpret.model.predictor import Predictor
from tests.conftest import toy_manifest, write_toy_bundle
from tests.interpret.trust.simulated import calibration


def flat(*colour: int) -> np.ndarray:
    return np.full((4, 4, 3), colour, np.uint8)


def test_a_class_more(toy_bundle: Bundle, yellows: Path, tmp_path: Path):
    added = add_class(toy_bundle, "yellow", yellows, tmp_path / "more")
    assert added.manifest.class_names == ["red", "green", "blue", "yellow"]
    mean = (255 + 127) / 2 / 255
    np.testing.assert_allclose(added.prototypes[3], [mean, mean, 0], rtol=1e-6)
    assert added.manifest.radius is None
    np.testing.assert_array_equal(added.prototypes[:3], toy_bundle.prototypes)
    assert added.manifest.metrics.geometry.min_sep_deg == pytest.approx(45)
    (change,) = added.manifest.changes
    assert change.parent == toy_bundle.manifest.fingerprint
    assert added.manifest.metrics.split == "test, before the last change"
    answer = Explainer(Bundle.load(added.path)).explain(flat(200, 200, 0), k=2)
    assert answer.label == "yellow"
    assert added.gallery.ids[6:].tolist() == [16, 17]  # 15 was the last
    assert {e.id for e in answer.positive_examples} == {16, 17}
    assert added.gallery.splits[6:] == ["added", "added"]
    assert added.gallery.sources[6:] == ["yellow/a.png", "yellow/b.png"]


@pytest.mark.parametrize("label", ["", "  "])
def test_a_class_needs_a_name(toy_bundle: Bundle, yellows: Path, tmp_path: Path, label: str):
    with pytest.raises(DpnpError, match="needs a name"):
        add_class(toy_bundle, label, yellows, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_more_on_the_sphere(toy_bundle: Bundle, yellows: Path, tmp_path: Path):
    added = add_class(toy_bundle, "yellow", yellows, tmp_path / "more", on_sphere=True)
    np.testing.assert_allclose(added.prototypes[3], [np.sqrt(0.5), np.sqrt(0.5), 0], rtol=1e-6)
    assert added.manifest.radius == 1
    answer = Explainer(Bundle.load(added.path)).explain(flat(200, 200, 0), k=1)
    assert answer.label == "yellow"
    assert [e.id for e in answer.positive_examples] == [17]  # (½, ½, 0), the nearer one


def test_a_class_of_its_own_length_can_be_taken_out_again(
    toy_bundle: Bundle, yellows: Path, tmp_path: Path
):
    added = add_class(toy_bundle, "yellow", yellows, tmp_path / "more")
    twice = add_class(added, "yellow again", yellows, tmp_path / "twice")
    assert twice.manifest.radius is None
    less = remove_class(twice, "yellow", tmp_path / "less")
    back = remove_class(less, "yellow again", tmp_path / "back")
    assert back.manifest.radius == 1
    picture = flat(200, 100, 0)[None]
    for before, after in zip(Predictor(toy_bundle)(picture), Predictor(back)(picture), strict=True):
        if before is not None:
            np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_class_less(toy_bundle: Bundle, tmp_path: Path):
    less = remove_class(toy_bundle, "green", tmp_path / "less")
    assert less.manifest.class_names == ["red", "blue"]
    assert less.gallery.ids.tolist() == [10, 12, 13, 15]
    assert [less.manifest.class_names[i] for i in less.gallery.labels] == ["red", "blue"] * 2
    answer = Explainer(Bundle.load(less.path)).explain(flat(100, 255, 0), k=1)
    assert answer.label == "red"
    with pytest.raises(DpnpError, match="a model needs two"):
        remove_class(less, "red", tmp_path / "one")


def test_removed_and_added_again_is_as_before(toy_bundle: Bundle, tmp_path: Path):
    greens = tmp_path / "green"
    greens.mkdir()
    Image.new("RGB", (4, 4), (0, 255, 0)).save(greens / "a.png")
    less = remove_class(toy_bundle, "green", tmp_path / "less")
    again = add_class(less, "green", greens, tmp_path / "again")
    np.testing.assert_allclose(again.prototypes, toy_bundle.prototypes[[0, 2, 1]], atol=1e-6)
    assert [change.parent for change in again.manifest.changes] == [
        toy_bundle.manifest.fingerprint,
        less.manifest.fingerprint,
    ]


def test_limits_follow_the_classes(yellows: Path, tmp_path: Path):
    limits = calibration(max_distance=[1, 2, 3], min_margin=[4, 5, 6], pooled=["green"])
    bundle = write_toy_bundle(tmp_path / "toy", calibration=limits)
    found = remove_class(bundle, "green", tmp_path / "less").manifest.calibration
    assert found is not None
    assert (found.max_distance, found.min_margin, found.pooled) == ([1, 3], [4, 6], [])
    found = add_class(bundle, "yellow", yellows, tmp_path / "more").manifest.calibration
    assert found is not None
    # Two pictures are too few for limits of their own: the most lenient and the strictest.
    assert found.max_distance == [1, 2, 3, 3]
    assert found.min_margin == [4, 5, 6, 6]
    assert found.pooled == ["green", "yellow"]


def test_a_new_class_counts_as_a_rival_as_long_as_any(yellows: Path, tmp_path: Path):
    limits = calibration(rival_margin=[0.5, -0.1, 0.2])
    bundle = write_toy_bundle(tmp_path / "toy", calibration=limits)
    found = remove_class(bundle, "green", tmp_path / "less").manifest.calibration
    assert found is not None
    assert found.rival_margin == [0.5, 0.2]
    found = add_class(bundle, "yellow", yellows, tmp_path / "more").manifest.calibration
    assert found is not None
    assert found.rival_margin == [0.5, -0.1, 0.2, 0.5]


def test_bad_wishes(toy_bundle: Bundle, yellows: Path, tmp_path: Path):
    out = tmp_path / "never"
    with pytest.raises(DpnpError, match="a class 'red' already"):
        add_class(toy_bundle, "red", yellows, out)
    with pytest.raises(ImageError, match="no such folder"):
        add_class(toy_bundle, "new", tmp_path / "none", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no pictures in it"):
        add_class(toy_bundle, "new", tmp_path / "empty", out)
    with pytest.raises(UnknownLabelError):
        remove_class(toy_bundle, "pink", out)
    assert not out.exists()


def test_a_removed_class_is_in_no_confusion(tmp_path: Path):
    pairs = [
        Confusion(label=label, answer=answer, examples=1)
        for label, answer in permutations(("red", "green", "blue"), 2)
    ]
    bundle = write_toy_bundle(tmp_path / "toy", calibration=calibration(confusions=pairs))
    found = remove_class(bundle, "green", tmp_path / "less").manifest.calibration
    assert found is not None
    left = [(pair.label, pair.answer) for pair in found.confusions]
    assert left == [("red", "blue"), ("blue", "red")]


def test_figures_are_of_the_classes_that_there_are(yellows: Path, tmp_path: Path):
    figures = [
        ClassFigures(label=label, examples=5, answers=4, recall=0.6, precision=0.75, f1=2 / 3)
        for label in ("red", "green", "blue")
    ]
    metrics = toy_manifest().metrics.model_copy(update={"per_class": figures})
    bundle = write_toy_bundle(tmp_path / "toy", metrics=metrics)
    less = remove_class(bundle, "green", tmp_path / "less")
    assert less.manifest.metrics.per_class == [figures[0], figures[2]]
    more = add_class(less, "yellow", yellows, tmp_path / "more")
    assert more.manifest.metrics.per_class is not None
    assert more.manifest.metrics.per_class[:2] == [figures[0], figures[2]]
    new = more.manifest.metrics.per_class[2]
    assert (new.label, new.examples, new.recall) == ("yellow", 0, None)


def test_an_id_is_never_given_again(toy_bundle: Bundle, yellows: Path, tmp_path: Path):
    added = add_class(toy_bundle, "yellow", yellows, tmp_path / "added")
    assert added.gallery.ids[6:].tolist() == [16, 17]
    less = remove_class(added, "yellow", tmp_path / "less")
    assert less.gallery.ids.max() == 15
    again = add_class(Bundle.load(less.path), "yellow", yellows, tmp_path / "again")
    assert again.gallery.ids[6:].tolist() == [18, 19]
    assert again.manifest.next_gallery_id == 20


def test_the_cost_by_hand():
    before = np.eye(2, dtype=np.float32)
    after = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    embeddings = np.array([[1, 0], [0.9, 0.5], [0, 1], [1, 0.1]], np.float32)
    labels = np.array([0, 0, 1, 1])
    assert accuracy_cost(embeddings, labels, before, after) == (0.75, 0.5)
