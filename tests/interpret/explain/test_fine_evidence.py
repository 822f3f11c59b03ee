from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.evidence import evidence_map
from interpret.explain.evidence_answer import with_fine_evidence
from interpret.explain.explainer import Explainer
from interpret.explain.fine_evidence import fine_evidence, refine, useful_factor
from interpret.model.fitting import fit_square
from interpret.model.images import open_image
from interpret.model.predictor import Predictor
from tests.interpret.bundle.forge import bundle_without_evidence

ROOT = Path(__file__).parents[3]


def test_fine_evidence_keeps_every_cell_s_sum():
    bundle = Bundle.load(ROOT / "models" / "digits-dpnp")
    predictor, digit = Predictor(bundle), fit_square(open_image(ROOT / "docs" / "digit.png"), 32)
    local = predictor(digit[None], evidence=True).evidence
    assert local is not None
    centres = bundle.prototypes[[8, 3]]
    fine = fine_evidence(predictor, digit, *centres, factor=4)
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
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[1, 2] = (255, 0, 0)
    fine = fine_evidence(Predictor(toy_bundle), pixels, *toy_bundle.prototypes[:2])
    assert fine is not None
    blocks = fine.reshape(4, 4, 4, 4).sum((1, 3))
    assert np.unravel_index(blocks.argmax(), (4, 4)) == (1, 2)
    assert blocks.sum() == pytest.approx(2 / 16)


def test_a_network_without_an_evidence_map(tmp_path: Path):
    bundle = bundle_without_evidence(tmp_path / "toy")
    pixels = np.zeros((4, 4, 3), np.uint8)
    assert fine_evidence(Predictor(bundle), pixels, *bundle.prototypes[:2]) is None


@pytest.mark.parametrize(
    ("side", "grid", "expected"),
    [
        (32, (4, 4), 4),
        (224, (7, 7), 4),
        (224, (14, 14), 4),
        (224, (28, 28), 2),
        (512, (64, 64), 1),  # its cells can hardly be told apart as they are
        (32, (16, 16), 2),  # no finer than the pixels
        (4, (4, 4), 1),
    ],
)
def test_how_fine_is_useful(side: int, grid: tuple[int, int], expected: int):
    assert useful_factor(side, grid) == expected


def test_a_finer_map_in_an_explanation():
    bundle = Bundle.load(ROOT / "models" / "digits-dpnp")
    explainer = Explainer(bundle)
    digit = fit_square(open_image(ROOT / "docs" / "digit.png"), 32)
    plain = explainer.explain_pixels(digit, 1, negative="5")
    answer = with_fine_evidence(plain, digit, bundle.prototypes, explainer.predictor)
    fine, coarse = answer.fine_evidence, answer.evidence
    assert fine is not None
    assert coarse is not None
    assert (fine.rows, fine.cols, fine.factor) == (16, 16, 4)
    assert "Each block of 4×4 values sums to its value of `evidence`" in fine.exact
    values = np.array(fine.values)
    blocks = values.reshape(4, 4, 4, 4).sum((1, 3))
    np.testing.assert_allclose(blocks, coarse.values, atol=1e-6)
    assert values.sum() == pytest.approx(
        answer.negative.distance**2 - answer.positive.distance**2, rel=1e-4
    )
    expected = fine_evidence(
        Predictor(bundle), digit, *bundle.prototypes[[answer.positive.index, answer.negative.index]]
    )
    np.testing.assert_allclose(values, expected, atol=1e-4)
    assert plain.fine_evidence is None


def test_where_nothing_is_finer(toy_bundle: Bundle, tmp_path: Path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    for bundle in (toy_bundle, bundle_without_evidence(tmp_path / "toy")):
        explainer = Explainer(bundle)
        plain = explainer.explain_pixels(pixels, 1)
        found = with_fine_evidence(plain, pixels, bundle.prototypes, explainer.predictor)
        assert found.fine_evidence is None
