import numpy as np
import pytest
from PIL import Image

from interpret.bundle.calibration_record import GroupNode, Groups
from interpret.bundle.manifest import Fit
from interpret.explain.evidence import (
    AGAINST,
    FOR,
    SEEN,
    colour_scale,
    evidence_map,
    group_evidence,
    on_border,
    overlay,
    overlay_on,
    readable,
    strongest,
)
from interpret.explain.explainer import Explainer
from interpret.model.fitting import shown_rectangle
from tests.conftest import write_toy_bundle
from tests.interpret.trust.simulated import calibration

BLACK = np.zeros((8, 8, 3), np.uint8)


def test_two_by_two_by_hand() -> None:
    # c₊ = (1, 0), c₋ = (0, 1): each location gives 2 (f₁ − f₂) / 4.
    local = np.array([[[2, 0], [1, 3]], [[0, 2], [1, 1]]], dtype=np.float32)
    found = evidence_map(local, np.array([1.0, 0]), np.array([0.0, 1]))
    np.testing.assert_array_equal(found, [[1, -1], [0, 1]])
    # h = (1.5, 1): ‖h − c₋‖² − ‖h − c₊‖² = 2.25 − 1.25 = 1
    assert found.sum() == 1


def test_unequal_norms_by_hand() -> None:
    # c₊ = (2), c₋ = (0), f = (1 | 3): 2·2·f − 4, halved: 0 and 4; h = 2: 4 − 0 = 4.
    found = evidence_map(np.array([[[1.0, 3.0]]]), np.array([2.0]), np.array([0.0]))
    np.testing.assert_array_equal(found, [[0, 4]])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("equal_norms", [True, False])
def test_the_sum_is_the_margin_of_squared_distances(seed: int, equal_norms: bool) -> None:
    rng = np.random.default_rng(seed)
    local = rng.normal(size=(12, 5, 7)) * 40
    positive, negative = rng.normal(size=(2, 12))
    if equal_norms:
        positive, negative = (40 * c / np.linalg.norm(c) for c in (positive, negative))
    h = local.mean((1, 2))
    margin = ((h - negative) ** 2).sum() - ((h - positive) ** 2).sum()
    assert evidence_map(local, positive, negative).sum() == pytest.approx(margin, rel=1e-6)
    # The other way round every location says the opposite.
    np.testing.assert_allclose(
        evidence_map(local, negative, positive), -evidence_map(local, positive, negative)
    )


def test_overlay_signs() -> None:
    tinted = np.asarray(overlay(BLACK, np.array([[1.0, -1.0], [0.0, 0.5]]), 16)).astype(int)
    assert tinted.shape == (16, 16, 3)
    red, blue, plain, pale = tinted[0, 0], tinted[0, 15], tinted[15, 0], tinted[15, 15]
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 50
    assert plain[0] == plain[1] == plain[2]
    np.testing.assert_allclose(pale, (plain + red) / 2, atol=1)  # half the strength, half the tint
    # Each location is one even square: nothing between the four colours.
    assert len(np.unique(tinted.reshape(-1, 3), axis=0)) == 4


def test_overlay_scales_to_the_strongest_location() -> None:
    values = np.array([[3.0, -1.0], [0.5, 0.0]])
    weak, strong = (np.asarray(overlay(BLACK, values * s)) for s in (1e-6, 1e6))
    np.testing.assert_array_equal(weak, strong)


def test_colour_comes_from_evidence_alone() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    tinted = np.asarray(overlay(red, np.zeros((2, 2))))
    assert (tinted == tinted[..., :1]).all()


def test_a_map_of_zeros_leaves_the_grey_picture() -> None:
    tinted = np.asarray(overlay(np.full((4, 4, 3), 255, np.uint8), np.zeros((2, 2))))
    assert (tinted == 240).all()


def test_sizes() -> None:
    for side, rows, cols in ((224, 7, 7), (32, 1, 1), (10, 3, 4)):
        picture = np.full((side, side, 3), 9, np.uint8)
        assert overlay(picture, np.ones((rows, cols))).size == (side, side)
        assert overlay(picture, np.ones((rows, cols)), 100).size == (100, 100)


def test_the_colour_scale_is_the_overlay_on_white() -> None:
    scale = colour_scale(3).astype(int)
    np.testing.assert_array_equal(scale[1], 255)
    for end, colour in ((scale[0], AGAINST), (scale[2], FOR)):
        np.testing.assert_allclose(end, 255 + 0.8 * (np.array(colour) - 255), atol=0.5)


def test_a_map_of_many_pixels_is_summed_into_blocks() -> None:
    values = np.arange(224 * 224, dtype=float).reshape(224, 224)
    blocks = readable(values)
    assert blocks.shape == (SEEN, SEEN)
    assert blocks[0, 0] == values[:4, :4].sum()
    assert blocks.sum() == values.sum()
    few = np.ones((7, 7))
    np.testing.assert_array_equal(readable(few), few)


def test_one_pixel_does_not_leave_the_others_pale() -> None:
    values = np.full((32, 32), 0.5)
    values[3, 3] = 1000
    assert strongest(values) == 0.5
    assert strongest(values[:4, :4]) == 1000  # of a few locations each one counts
    assert strongest(np.zeros((2, 2))) == 1
    tinted = np.asarray(overlay(np.zeros((32, 32, 3), np.uint8), values))
    np.testing.assert_array_equal(tinted[3, 3], tinted[20, 20])


# 4×2 white pixels, under maps of ±1: white is 240 where the model looks, 250 where it does not.
WIDE = Image.new("RGB", (4, 2), "white")
PALE = (250, 250, 250)
RED, BLUE = (tuple(np.round(240 + 0.8 * (np.array(c) - 240)).astype(int)) for c in (FOR, AGAINST))


@pytest.mark.parametrize(
    ("fit", "values", "expected"),
    [
        ("crop", [[1, -1], [-1, 1]], [[PALE, RED, BLUE, PALE], [PALE, BLUE, RED, PALE]]),
        ("squash", [[1, -1], [-1, 1]], [[RED, RED, BLUE, BLUE], [BLUE, BLUE, RED, RED]]),
        (
            "letterbox",  # of four rows of cells, the middle two lie on the picture
            [[1] * 4, [1, -1, 1, -1], [-1, 1, -1, 1], [1] * 4],
            [[RED, BLUE, RED, BLUE], [BLUE, RED, BLUE, RED]],
        ),
    ],
)
def test_cells_lie_where_they_are_on_the_original(
    fit: Fit, values: list[list[int]], expected: list[list[tuple[int, ...]]]
) -> None:
    shown = shown_rectangle(WIDE.size, 4, fit)
    drawn = overlay_on(WIDE, shown, np.array(values, float), 4)
    np.testing.assert_array_equal(np.asarray(drawn), expected)
    large = np.asarray(overlay_on(WIDE, shown, np.array(values, float), 8))
    np.testing.assert_array_equal(large, np.repeat(np.repeat(expected, 2, 0), 2, 1))


def test_the_part_of_the_sum_that_lies_on_the_border() -> None:
    values = np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]])
    boxed, crop, squash = (
        on_border(values, WIDE.size, shown_rectangle(WIDE.size, 4, fit))
        for fit in ("letterbox", "crop", "squash")
    )
    assert boxed == 1 + 2 + 7 + 8
    assert crop == squash == 0
    # Two rows of cells over four of pixels: half of each lies on the border.
    halves = on_border(
        np.array([[3.0], [5]]), WIDE.size, shown_rectangle(WIDE.size, 4, "letterbox")
    )
    assert halves == 1.5 + 2.5


def test_the_map_of_a_groups_margin_is_exact():
    generator = np.random.default_rng(0)
    local = generator.normal(size=(3, 4, 5)).astype(np.float32)
    prototypes = generator.normal(size=(6, 3)).astype(np.float32)  # of any norm
    inside = np.array([True, False, True, True, False, False])
    h = local.astype(np.float64).mean((1, 2))
    squares = np.square(h - prototypes.astype(np.float64)).sum(1)
    values = group_evidence(local, prototypes, inside)
    assert values.shape == (4, 5)
    np.testing.assert_allclose(values.sum(), squares[~inside].mean() - squares[inside].mean())
    # Each location has the part that its own embedding gives.
    lonely = group_evidence(local[:, 1:2, 2:3], prototypes, inside)
    np.testing.assert_allclose(values[1, 2], lonely[0, 0] / 20)
    # On a sphere it is the margin of the groups' mean prototypes: linear in h.
    sphere = prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    means = sphere[inside].mean(0), sphere[~inside].mean(0)
    linear = 2 * (means[0].astype(np.float64) - means[1]) @ h
    np.testing.assert_allclose(group_evidence(local, sphere, inside).sum(), linear, atol=1e-6)


def test_an_ambiguous_answer_has_a_group_and_its_evidence(tmp_path):
    node = {"name": "warm", "members": ["red", "green"]}
    found = calibration(
        max_distance=[9.0] * 3,
        min_margin=[0.5] * 3,
        groups=Groups(
            source="given",
            nodes=[GroupNode(**node)],
            min_margin=-0.2,
            examples=50,
            measured_coverage=0.97,
            given=1.0,
        ),
    )
    bundle = write_toy_bundle(tmp_path / "toy", calibration=found)
    pixels = np.full((4, 4, 3), (128, 120, 0), np.uint8)
    answer = Explainer(bundle).explain_pixels(pixels, 1)
    assert answer.verdict == "ambiguous"
    assert answer.group.model_dump() == node | {"coverage": 0.97}
    h = np.array([128, 120, 0]) / 255
    squares = np.square(h - np.eye(3)).sum(1)
    expected = squares[2] - squares[:2].mean()
    assert np.sum(answer.group_evidence.values) == pytest.approx(expected, rel=1e-5)
    clear = Explainer(bundle).explain_pixels(np.full((4, 4, 3), (255, 0, 0), np.uint8), 1)
    assert (clear.verdict, clear.group, clear.group_evidence) == ("accept", None, None)
