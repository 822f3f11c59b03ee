"""Heads in closed form, against the softmax that they stand for."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from training.model.prototypes import initial_prototypes
from training.run.head_fit import Softmax, fit_softmax, narrow_map, simplex_map

SEED = 0


def clusters(classes: int, dim: int, each: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Points around `classes` random centres of norm 3."""
    random = np.random.default_rng(SEED)
    centres = random.normal(size=(classes, dim))
    centres *= 3 / np.linalg.norm(centres, axis=1, keepdims=True)
    labels = np.repeat(np.arange(classes), each)
    points = centres[labels] + spread * random.normal(size=(len(labels), dim))
    return points.astype(np.float32), labels


@pytest.mark.parametrize(("classes", "dim"), [(2, 1), (2, 3), (5, 4), (5, 9), (30, 29)])
def test_the_simplex_has_the_softmaxs_answers(classes: int, dim: int):
    """c·h/α = logits − their mean, so that argmax and the nearest prototype are the softmax's."""
    generator = torch.Generator().manual_seed(SEED)
    softmax = Softmax(
        torch.randn(classes, 16, generator=generator),
        torch.randn(classes, generator=generator),
        1.0,
        None,
    )
    radius = 10.0
    prototypes = initial_prototypes(classes, dim, radius, "packed", SEED)
    weight, bias = simplex_map(softmax, prototypes)
    assert weight.shape == (dim, 16)
    features = torch.randn(200, 16, generator=generator)
    logits = features @ softmax.weight.T + softmax.bias
    embedding = features @ weight.T + bias
    expected = logits - logits.mean(1, keepdim=True)
    torch.testing.assert_close(embedding @ prototypes.T / radius, expected, atol=2e-3, rtol=1e-3)
    nearest = torch.cdist(embedding, prototypes).argmin(1)
    assert torch.equal(nearest, logits.argmax(1))


def test_the_softmax_is_logistic_regressions_on_features_of_any_scale():
    points, labels = clusters(4, 6, 60, 1.0)
    plain = fit_softmax(points, labels, 4)
    scaled = fit_softmax(points * 100 + 7, labels, 4)
    assert plain.accuracy == scaled.accuracy
    assert plain.accuracy is not None
    assert plain.accuracy > 0.9
    answers = (points @ plain.weight.numpy().T + plain.bias.numpy()).argmax(1)
    again = ((points * 100 + 7) @ scaled.weight.numpy().T + scaled.bias.numpy()).argmax(1)
    np.testing.assert_array_equal(answers, again)
    assert np.mean(answers == labels) > 0.9


def test_a_class_without_a_picture_is_never_the_answer():
    points, labels = clusters(3, 6, 20, 0.5)
    found = fit_softmax(points, labels, 4)
    assert found.accuracy is None  # nothing to cross-validate a class on that is not there
    answers = (points @ found.weight.numpy().T + found.bias.numpy()).argmax(1)
    np.testing.assert_array_equal(answers, labels)


def test_one_picture_a_class_is_enough_to_start():
    points, labels = clusters(5, 8, 1, 0.0)
    found = fit_softmax(points, labels, 5)
    answers = (points @ found.weight.numpy().T + found.bias.numpy()).argmax(1)
    np.testing.assert_array_equal(answers, labels)


def test_fewer_dimensions_than_the_simplex_takes():
    """Twelve well-separated classes need eleven dimensions for a simplex, and do with six."""
    points, labels = clusters(12, 24, 30, 0.3)
    prototypes = initial_prototypes(12, 6, 10.0, "packed", SEED)
    weight, bias = narrow_map(points, labels, prototypes)
    assert weight.shape == (6, 24)
    embedding = torch.from_numpy(points) @ weight.T + bias
    nearest = torch.cdist(embedding, prototypes).argmin(1).numpy()
    assert np.mean(nearest == labels) > 0.97


def test_one_picture_a_class_is_answered_like_the_nearest_class_mean():
    """Own variances of a thousand features cannot be told from a handful of pictures."""
    digits = load_digits()
    features, labels = digits.data.astype(np.float32), digits.target.astype(np.int64)
    ours, means = [], []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(labels))
        rows = [order[labels[order] == label][0] for label in range(10)]
        head = fit_softmax(features[rows], labels[rows], 10)
        answers = (features @ head.weight.numpy().T + head.bias.numpy()).argmax(1)
        ours.append(np.mean(answers == labels))
        away = np.linalg.norm(features[:, None] - features[rows], axis=2)
        means.append(np.mean(away.argmin(1) == labels))
    assert np.mean(ours) > np.mean(means) - 0.03  # own variances: 0.10 less
