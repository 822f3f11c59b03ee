"""Labels that look wrong, among points whose labels are known."""

import numpy as np

from interpret.model.predictor import Prediction
from training.evaluate import label_suspects
from training.evaluate.label_suspects import count_suspects


def clusters() -> tuple[Prediction, np.ndarray]:
    """Three clusters of 40 around the axes' ends, and what a good model says of them."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % 3
    points = (np.eye(3)[labels] + random.normal(0, 0.05, (120, 3))).astype(np.float32)
    away = np.linalg.norm(points[:, None] - np.eye(3)[None], axis=2).astype(np.float32)
    powers = np.exp(-8 * away)
    probabilities = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    return Prediction(points, away, probabilities, None, np.zeros(120, np.float32)), labels


def test_wrong_labels_are_counted_and_right_ones_not():
    prediction, labels = clusters()
    assert count_suspects({"test": prediction}, {"test": labels}).number == 0
    wrong = labels.copy()
    wrong[:4] = (wrong[:4] + 1) % 3
    assert count_suspects({"test": prediction}, {"test": wrong}).number in (3, 4)


def test_splits_are_counted_together_and_an_empty_one_is_none():
    prediction, labels = clusters()
    wrong = labels.copy()
    wrong[[0, 100]] = (wrong[[0, 100]] + 1) % 3
    parts = {"train": slice(0, 80), "test": slice(80, 120), "valid": slice(0, 0)}
    found = count_suspects(
        {name: prediction.part(rows) for name, rows in parts.items()},
        {name: wrong[rows] for name, rows in parts.items()},
    )
    assert found.number == 2


def test_a_weak_model_names_none_and_a_long_search_is_left_to_the_audit(monkeypatch):
    prediction, labels = clusters()
    random = np.random.default_rng(0).permutation(labels)
    found = count_suspects({"test": prediction}, {"test": random})
    assert found.number is None
    assert found.why.startswith("the model is too weak to tell: right on ")
    monkeypatch.setattr(label_suspects, "_QUICK", 1000)
    found = count_suspects({"test": prediction}, {"test": labels})
    assert (found.number, found.why) == (None, "looking takes minutes")
