"""The refit of a head: its gradient, and what it learns on points that can be seen through."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from interpret.edit.refit import Examples, Head, _prototypes_move, _Task, refit


def cross(dim: int = 2) -> Head:
    """Four classes in the plane: more than d + 1, so the prototypes may move."""
    return Head(np.eye(dim), np.zeros(dim), np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]]))


def clouds(generator: np.random.Generator, count: int = 40) -> Examples:
    labels = np.arange(count) % 4
    points = cross().prototypes[labels] + generator.normal(0, 0.1, (count, 2))
    return Examples(points, labels)


@pytest.mark.parametrize("moving", [True, False])
def test_the_gradient_is_that_of_the_loss(moving: bool):
    generator = np.random.default_rng(0)
    points, labels = clouds(generator)
    white = np.hstack([points, np.ones((len(points), 1))])
    weights = generator.uniform(0.5, 2, len(points))
    task = _Task(white, points, labels, weights, cross().prototypes * 1.3, 0.7, 0.9, moving)
    where = generator.normal(0, 0.2, task.size)
    error = check_grad(lambda v: task.loss(v)[0], lambda v: task.loss(v)[1], where)
    assert error < 1e-4 * np.linalg.norm(task.loss(where)[1])


def test_a_correction_is_learnt_and_the_gallery_keeps_its_answers():
    gallery = clouds(np.random.default_rng(1))
    wrong = Examples(np.array([[0.75, 0.6]]), np.array([1]))  # nearer to class 0
    assert cross().answers(wrong.features).tolist() == [0]
    taught = refit(cross(), gallery, wrong, 0.25, stiffness=0.3)
    assert taught.answers(wrong.features).tolist() == [1]
    assert taught.answers(gallery.features).tolist() == gallery.labels.tolist()
    np.testing.assert_allclose(np.linalg.norm(taught.prototypes, axis=1), 1)


def test_a_stiffer_head_moves_less():
    gallery = clouds(np.random.default_rng(2))
    wrong = Examples(np.array([[0.75, 0.6]]), np.array([1]))
    moved = [
        np.abs(refit(cross(), gallery, wrong, 0.25, stiffness=s).weight - np.eye(2)).max()
        for s in (1.0, 100.0, 1e6)
    ]
    assert moved[0] > moved[1] > moved[2]
    assert moved[2] < 1e-3


def test_a_head_of_embeddings_as_one_of_features():
    projection = Head(np.array([[1.0, 2, 0], [0, 1, 1]]), np.array([0.5, -1]), cross().prototypes)
    change = Head(np.array([[0.0, 1], [2, 0]]), np.array([1.0, 0]), cross().prototypes)
    features = np.random.default_rng(3).normal(size=(5, 3))
    both = change.after(projection)
    np.testing.assert_allclose(both.embed(features), change.embed(projection.embed(features)))


def test_prototypes_of_a_simplex_stay():
    simplex = np.array([[1.0, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    assert not _prototypes_move(simplex)
    assert _prototypes_move(cross().prototypes)
    assert _prototypes_move(simplex * np.array([[1], [1], [0.5]]))  # an added class lies inside
