import itertools
import math

import numpy as np
import pytest

from interpret.geometry.geometry import (
    angles,
    distances,
    intra_class_angles,
    nearest_angles,
    separation_to_compactness,
)

OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])
_PHI = (1 + math.sqrt(5)) / 2
ICOSAHEDRON = np.array(
    [
        np.roll((0, a, b * _PHI), shift)
        for shift in range(3)
        for a, b in itertools.product((1, -1), repeat=2)
    ]
)


def simplex(corners: int) -> np.ndarray:
    return np.eye(corners) - 1 / corners


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (OCTAHEDRON, 90),
        (ICOSAHEDRON, math.degrees(math.atan(2))),  # 63.43°
        (simplex(2), 180),
        (simplex(3), 120),
        (simplex(10), 96.3794),  # arccos(−1/9)
        (simplex(100), 90.5787),  # arccos(−1/99)
    ],
)
def test_nearest_neighbours_of_regular_bodies(points: np.ndarray, expected: float) -> None:
    for radius in (1, 40, 1e-3):
        np.testing.assert_allclose(nearest_angles(points * radius), expected, atol=5e-5)


def test_simplex_formula() -> None:
    for corners in (2, 3, 5, 10, 100):
        expected = math.degrees(math.acos(-1 / (corners - 1)))
        np.testing.assert_allclose(nearest_angles(simplex(corners)), expected, atol=1e-5)


def test_angles_by_hand() -> None:
    points = np.array([[1, 0], [5, 5], [-2, 0], [0, 0]], dtype=np.float32)
    found = angles(points, np.array([[3, 0], [0, 1]], dtype=np.float32))
    expected = [[0, 90], [45, 45], [180, 90], [90, 90]]  # the zero vector is at 90° to all
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rounding_never_leaves_the_domain_of_arccos() -> None:
    points = np.random.default_rng(0).normal(size=(500, 7)).astype(np.float32) * 40
    assert np.diag(angles(points, points)).max() < 1e-5
    assert np.diag(angles(points, -points)).min() > 180 - 1e-5


def test_distances_by_hand() -> None:
    found = distances(np.array([[0.0, 0], [3, 4]]), np.array([[3.0, 4], [3, 0], [0, -1]]))
    np.testing.assert_allclose(found, [[5, 3, 1], [0, 4, math.sqrt(34)]], atol=1e-7)
    assert distances(np.empty((0, 2)), np.eye(2)).shape == (0, 2)


def test_distances_over_several_chunks_equal_the_formula() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(5000, 3)).astype(np.float32) * 40
    centres = rng.normal(size=(4, 3)).astype(np.float32) * 40
    expected = np.linalg.norm(points[:, None].astype(float) - centres.astype(float), axis=2)
    np.testing.assert_allclose(distances(points, centres), expected, rtol=1e-9)


def test_coincident_points_on_the_sphere() -> None:
    point = np.array([[24, 32, 0]], dtype=np.float32)  # norm 40
    assert distances(point, point)[0, 0] == pytest.approx(0, abs=1e-5)
    assert nearest_angles(np.repeat(point, 2, 0)) == pytest.approx([0, 0], abs=1e-5)


def test_intra_class_angles_by_hand() -> None:
    prototypes = np.array([[40, 0], [0, 40]], dtype=np.float32)
    embeddings = np.array([[7, 0], [3, 3], [-1, 0], [0, 9]], dtype=np.float32)
    found = intra_class_angles(embeddings, np.array([0, 1, 0, 1]), prototypes)
    np.testing.assert_allclose(found, [0, 45, 180, 0], atol=1e-5)


def test_scr_by_hand() -> None:
    # Prototypes 5 apart (0–1), 4 apart (0–2), √41 (1–2); mean own distances 2, 1 and 0.5.
    prototypes = np.array([[0, 0], [5, 0], [0, 4]], dtype=np.float32)
    embeddings = np.array([[1, 0], [0, 3], [5, 1], [0, 4.5]], dtype=np.float32)
    labels = np.array([0, 0, 1, 2])
    scr = separation_to_compactness(embeddings, labels, prototypes)
    assert scr == pytest.approx((4 / 2 + 5 / 1 + 4 / 0.5) / 3)
    # A class without embeddings takes no part in the mean, but is a rival still.
    scr = separation_to_compactness(embeddings[:3], labels[:3], prototypes)
    assert scr == pytest.approx((4 / 2 + 5 / 1) / 2)


def test_scr_is_infinite_when_a_class_collapsed_onto_its_prototype() -> None:
    assert separation_to_compactness(np.eye(2), np.array([0, 1]), np.eye(2)) == math.inf


def test_equations_11_to_13_written_out() -> None:
    rng = np.random.default_rng(2)
    prototypes = rng.normal(size=(6, 4)).astype(np.float32)
    labels = np.repeat(np.arange(6), 5)
    embeddings = (prototypes[labels] + rng.normal(size=(30, 4)) * 0.3).astype(np.float32)
    c = [row.astype(float) for row in prototypes]
    h = [row.astype(float) for row in embeddings]

    def angle(a: np.ndarray, b: np.ndarray) -> float:
        return math.degrees(math.acos(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b)))

    eq_11 = [min(angle(c[k], c[j]) for k in range(6) if k != j) for j in range(6)]
    eq_12 = [angle(h[i], c[labels[i]]) for i in range(30)]
    ratios = []
    for j in range(6):
        separation = min(math.dist(c[k], c[j]) for k in range(6) if k != j)
        own = [math.dist(h[i], c[j]) for i in range(30) if labels[i] == j]
        ratios.append(separation / (sum(own) / len(own)))
    np.testing.assert_allclose(nearest_angles(prototypes), eq_11, rtol=1e-9)
    np.testing.assert_allclose(intra_class_angles(embeddings, labels, prototypes), eq_12, rtol=1e-9)
    scr = separation_to_compactness(embeddings, labels, prototypes)
    assert scr == pytest.approx(sum(ratios) / 6)
