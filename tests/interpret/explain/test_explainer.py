import base64
import io
import math
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import BundleError, OwnRivalError, UnknownLabelError
from interpret.explain.evidence import overlay
from interpret.explain.evidence_answer import OVERLAY_SIDE
from interpret.explain.explainer import Explainer
from tests.conftest import TOY_MODEL, toy_gallery, toy_manifest
from tests.interpret.bundle.forge import bundle_without_evidence


def flat(*colour: int) -> np.ndarray:
    return np.broadcast_to(np.uint8(colour), (4, 4, 3)).copy()


@pytest.fixture(scope="module")
def explainer(toy_bundle: Bundle) -> Explainer:
    return Explainer(toy_bundle)


def test_a_classification_by_hand(explainer: Explainer) -> None:
    [answer] = explainer.classify(flat(255, 51, 0)[None])  # h = (1, 0.2, 0)
    assert (answer.label, answer.index, answer.verdict) == ("red", 0, "accept")
    e = [math.exp(1), math.exp(0.2), 1]
    assert answer.probability == pytest.approx(e[0] / sum(e))
    expected = [
        ("red", 0, 0.2, math.degrees(math.atan(0.2))),
        ("green", 1, math.sqrt(1 + 0.64), math.degrees(math.atan(5))),
        ("blue", 2, math.sqrt(1 + 0.04 + 1), 90),
    ]
    for found, (label, index, distance, angle) in zip(answer.prototypes, expected, strict=True):
        assert (found.label, found.index) == (label, index)
        assert found.distance == pytest.approx(distance)
        assert found.angle_deg == pytest.approx(angle, abs=1e-4)
    assert answer.positive == answer.prototypes[0]
    assert answer.negative == answer.prototypes[1]
    assert answer.margin == pytest.approx(math.sqrt(1.64) - 0.2)
    assert answer.margin == answer.negative.distance - answer.positive.distance
    assert answer.model.name == "toy"
    assert answer.model.fingerprint == explainer.bundle.manifest.fingerprint


@pytest.mark.parametrize(
    ("colour", "label", "expected"),
    [
        ((0, 255, 0), "green", "accept"),
        ((128, 128, 0), "red", "ambiguous"),  # at a tie the first class is named
        ((130, 125, 0), "red", "ambiguous"),  # √½ away, margin 0.03
        ((20, 0, 0), "red", "none_of_these"),  # nearly black: 0.92 from red
        ((255, 255, 255), "red", "none_of_these"),  # √2 from each
    ],
)
def test_verdicts_of_pictures(
    explainer: Explainer, colour: tuple[int, ...], label: str, expected: str
) -> None:
    [answer] = explainer.classify(flat(*colour)[None])
    assert (answer.label, answer.verdict) == (label, expected)


def test_an_explanation_by_hand(explainer: Explainer) -> None:
    pixels = flat(255, 0, 0)
    pixels[:2] = (0, 0, 204)  # h = (½, 0, 0.4): red at √0.41, blue at √0.61
    answer = explainer.explain(pixels, 2)
    assert (answer.positive.label, answer.negative.label) == ("red", "blue")
    assert [(e.id, e.label) for e in answer.positive_examples] == [(10, "red"), (13, "red")]
    assert [e.distance for e in answer.positive_examples] == pytest.approx([0, 0.5])
    assert [(e.id, e.label) for e in answer.negative_examples] == [(12, "blue"), (15, "blue")]
    assert [(e.id, e.label) for e in answer.neighbours] == [(13, "red"), (15, "blue")]
    assert [e.distance for e in answer.neighbours] == pytest.approx([0.4, math.sqrt(0.26)])
    assert answer.neighbours[0].thumbnail == "/gallery/13"
    assert answer.evidence is not None
    # 2 (f_red − f_blue) / 16 for each of the 16 pixels
    expected = [[-2 * 0.8 / 16] * 4] * 2 + [[2 / 16] * 4] * 2
    np.testing.assert_allclose(answer.evidence.values, expected, rtol=1e-6)
    assert np.sum(answer.evidence.values) == pytest.approx(0.61 - 0.41)


def test_the_evidence_sums_to_the_margin_of_squares(explainer: Explainer) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        answer = explainer.explain(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), 1)
        assert answer.evidence is not None
        margin = answer.negative.distance**2 - answer.positive.distance**2
        assert np.sum(answer.evidence.values) == pytest.approx(margin, abs=1e-6)


def test_the_overlay_is_a_png_of_the_same_map(explainer: Explainer) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    evidence = explainer.explain(pixels, 1).evidence
    assert evidence is not None
    assert (evidence.rows, evidence.cols) == np.shape(evidence.values) == (4, 4)
    with Image.open(io.BytesIO(base64.b64decode(evidence.overlay_png))) as picture:
        assert picture.format == "PNG"
        expected = overlay(pixels, np.array(evidence.values), OVERLAY_SIDE)
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_a_classification_is_the_same_with_and_without_the_rest(explainer: Explainer) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    for picture, answer in zip(pixels, explainer.classify(pixels), strict=True):
        explained = explainer.explain(picture, 3).model_dump()
        assert explained | answer.model_dump() == explained
    assert explainer.classify(pixels[:0]) == []


@pytest.mark.parametrize(("k", "shown"), [(0, 0), (1, 1), (6, 6), (100, 6)])
def test_k_is_clipped_to_the_gallery(explainer: Explainer, k: int, shown: int) -> None:
    answer = explainer.explain(flat(255, 0, 0), k)
    groups = (answer.positive_examples, answer.negative_examples, answer.neighbours)
    assert [len(group) for group in groups] == [shown] * 3
    assert len(explainer.similar_to_image(flat(0, 0, 0), k)) == shown
    assert len(explainer.similar_to_prototype("blue", k)) == shown


def test_similar_by_hand(explainer: Explainer) -> None:
    near_blue = explainer.similar_to_prototype("blue", 3)
    assert [e.id for e in near_blue[:2]] == [12, 15]
    assert near_blue[2].distance == pytest.approx(math.sqrt(1.25))
    assert [e.id for e in explainer.similar_to_image(flat(0, 102, 0), 1)] == [14]
    with pytest.raises(UnknownLabelError, match="'pink'"):
        explainer.similar_to_prototype("pink", 3)


def test_prototypes_and_their_rivals(explainer: Explainer) -> None:
    found = explainer.prototypes()
    assert [(p.label, p.index) for p in found] == [("red", 0), ("green", 1), ("blue", 2)]
    assert [p.rival.label for p in found] == ["green", "red", "red"]  # ties: the first
    for summary in found:
        assert summary.rival.distance == pytest.approx(math.sqrt(2))
        assert summary.rival.angle_deg == pytest.approx(90)


def test_a_network_without_a_map_explains_the_rest(tmp_path: Path) -> None:
    answer = Explainer(bundle_without_evidence(tmp_path / "toy")).explain(flat(255, 0, 0), 2)
    assert answer.evidence is None
    assert answer.label == "red"
    assert len(answer.neighbours) == 2


def test_loading_by_path(toy_bundle: Bundle, tmp_path: Path) -> None:
    assert Explainer.load(str(toy_bundle.path), device="cpu").bundle.manifest.name == "toy"
    with pytest.raises(BundleError, match="none"):
        Explainer.load(tmp_path / "none")


def test_more_classes_than_are_shown(tmp_path: Path) -> None:
    # Seven prototypes on a circle, 51.4° apart; the embedding is on the first.
    turns = np.arange(7) * 2 * np.pi / 7
    centres = np.stack([np.cos(turns), np.sin(turns), 0 * turns], 1).astype(np.float32)
    numbers = ", ".join(str(float(v)) for v in centres.ravel())
    columns = ", ".join(str(float(v)) for v in centres.T.ravel())
    text = TOY_MODEL.replace("n, 3] distances", "n, 7] distances")
    text = text.replace("n, 3] probabilities", "n, 7] probabilities")
    text = text.replace(
        "float[3, 3] prototypes = {1, 0, 0, 0, 1, 0, 0, 0, 1}",
        f"float[7, 3] prototypes = {{{numbers}}}, float[3, 7] columns = {{{columns}}}",
    ).replace("MatMul(embedding, prototypes)", "MatMul(embedding, columns)")
    gallery, embeddings = toy_gallery()
    bundle = write_bundle(
        tmp_path / "seven",
        toy_manifest(class_names=list("abcdefg")),
        model=onnx.parser.parse_model(text).SerializeToString(),
        prototypes=centres,
        embeddings=embeddings,
        gallery=gallery,
        weights=b"",
    )
    [answer] = Explainer(bundle).classify(flat(255, 0, 0)[None])
    assert answer.label == "a"
    assert len(answer.prototypes) == 5
    assert {p.label for p in answer.prototypes[1:3]} == {"b", "g"}
    assert {p.label for p in answer.prototypes[3:]} == {"c", "f"}
    assert answer.negative.distance == pytest.approx(2 * math.sin(math.pi / 7), rel=1e-5)


def test_asked_for_a_pair(explainer: Explainer) -> None:
    # h = (1, 0.2, 0): an answer "red", asked why blue and not green.
    answer = explainer.explain(flat(255, 51, 0), k=1, positive="blue", negative="green")
    assert (answer.label, answer.verdict) == ("red", "accept")
    assert (answer.positive.label, answer.negative.label) == ("blue", "green")
    assert answer.positive.distance == pytest.approx(math.sqrt(2.04))
    assert answer.margin == pytest.approx(math.sqrt(1.64) - math.sqrt(2.04))
    assert answer.evidence is not None
    assert np.sum(answer.evidence.values) == pytest.approx(1.64 - 2.04, rel=1e-5)
    assert [e.label for e in answer.positive_examples] == ["blue"]
    assert [p.label for p in answer.prototypes] == ["red", "green", "blue"]


def test_what_was_not_asked_for_is_the_nearest(explainer: Explainer) -> None:
    answer = explainer.explain(flat(255, 51, 0), k=1, negative="blue")
    assert (answer.positive.label, answer.negative.label) == ("red", "blue")
    answer = explainer.explain(flat(255, 51, 0), k=1, positive="green")
    assert (answer.positive.label, answer.negative.label) == ("green", "red")
    with pytest.raises(OwnRivalError, match="'red' against itself"):
        explainer.explain(flat(255, 51, 0), k=1, negative="red")
    with pytest.raises(UnknownLabelError):
        explainer.explain(flat(255, 51, 0), k=1, positive="pink")
