import itertools

import numpy as np
import pytest

from interpret.geometry.geometry import nearest_angles
from training.data.splits import DataSet
from training.model.prototype_assignment import assignment, class_similarity
from training.model.prototypes import initial_prototypes


def value(order, points: np.ndarray, similarity: np.ndarray) -> float:
    own = points[list(order)]
    return float((similarity * (own @ own.T)).sum())


def test_similar_classes_become_neighbours():
    """Four points on a circle, the classes alike in a ring: 0–2–1–3."""
    points = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    similarity = np.zeros((4, 4))
    for a, b in ((0, 2), (2, 1), (1, 3), (3, 0)):
        similarity[a, b] = similarity[b, a] = 1
    own = points[assignment(points, similarity, seed=0)]
    assert [own[a] @ own[b] for a, b in ((0, 2), (2, 1), (1, 3), (3, 0))] == [0, 0, 0, 0]
    assert own[0] @ own[1] == own[2] @ own[3] == -1


@pytest.mark.parametrize("seed", range(5))
def test_no_permutation_is_better(seed: int):
    random = np.random.default_rng(seed)
    points = random.standard_normal((6, 3))
    similarity = random.standard_normal((6, 6))
    similarity += similarity.T
    np.fill_diagonal(similarity, 0)
    found = assignment(points, similarity, seed)
    assert sorted(found) == list(range(6))
    best = max(value(order, points, similarity) for order in itertools.permutations(range(6)))
    # Equal points on the diagonal add the same to every order.
    assert value(found, points, similarity) == pytest.approx(best)


def test_similarity_by_hand():
    """Pictures of one pixel pair; classes 0 and 1 differ in what scatters most, which counts as
    little as what scatters least once it is whitened.
    """
    pictures = np.array([[10.0, 1], [10, -1], [-10, 1], [-10, -1]])
    similarity = class_similarity(pictures, np.array([0, 1, 2, 3]))
    expected = np.array([[0, 0, 0, -1], [0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0]])
    np.testing.assert_allclose(similarity, expected, atol=1e-9)


def test_digits_keep_their_packing_and_alike_ones_meet(digits: DataSet):
    split = digits.splits["train"]
    similarity = class_similarity(split.pixels(8, ""), split.labels)
    points = initial_prototypes(10, 3, 40.0, "packed", 0).numpy()
    order = assignment(points, similarity, 0)
    own = points[order]
    np.testing.assert_allclose(sorted(nearest_angles(own)), sorted(nearest_angles(points)))
    assert value(order, points, similarity) > value(range(10), points, similarity)
