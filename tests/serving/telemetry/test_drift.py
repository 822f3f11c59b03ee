"""Ranks among the training images, and the score of how far they have moved."""

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.explainer import Explainer
from serving.telemetry.answer_counter import AnswerCounter
from serving.telemetry.drift import ENOUGH, WINDOW, Drift, Reference
from serving.telemetry.metrics import metrics


def test_a_reference_and_its_ranks(toy_bundle: Bundle) -> None:
    assert Reference(toy_bundle).ranks(0, 0.1, 0.5) is None  # two images a class are too few
    count = ENOUGH
    along = np.linspace(0, 0.3, count, endpoint=False, dtype=np.float32)
    embeddings = np.zeros((count, 3), np.float32)
    embeddings[:, 0] = 1 - along  # at distances 0, 0.01, 0.02, … from red
    bundle = Bundle(
        toy_bundle.path,
        toy_bundle.manifest,
        toy_bundle.prototypes,
        embeddings,
        toy_bundle.gallery,
    )
    reference = Reference(bundle)
    assert reference.ranks(1, 0.1, 0.5) is None
    ranks = reference.ranks(0, 0.155, 2.0)
    assert ranks == (pytest.approx(16 / count), 1.0)
    assert reference.ranks(0, 9.0, 0.0) == (1.0, 0.0)


def test_another_rival_leaves_the_rank_of_the_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """/explain may ask why not a far class; the picture's own margin is counted all the same."""
    counted: list[object] = []
    monkeypatch.setattr(
        type(metrics()), "answered", lambda _, answers, ranks: counted.extend(ranks)
    )
    explainer = Explainer.load("models/digits-dpnp")
    plain = explainer.explain("docs/digit.png")
    others = {each.label for each in explainer.prototypes()} - {plain.label, plain.negative.label}
    asked = explainer.explain("docs/digit.png", negative=sorted(others)[0])
    assert asked.margin > plain.margin
    AnswerCounter(explainer.bundle)._count([plain, asked])
    assert counted[0] is not None
    assert counted[0] == counted[1]


def after(drift: Drift, index: int, rank: float) -> float | None:
    drift.add(index, rank)
    return drift.score(index)


def test_drift_is_small_for_an_even_spread_and_large_for_strangers() -> None:
    drift = Drift(2)
    even = [after(drift, 0, rank) for rank in np.random.default_rng(0).permutation(WINDOW) / WINDOW]
    assert even[: ENOUGH - 1] == [None] * (ENOUGH - 1)
    assert even[-1] == pytest.approx(0, abs=0.01)
    strangers = [after(drift, 0, 1.0) for _ in range(WINDOW)]
    assert strangers == sorted(strangers)
    assert strangers[-1] == 1.0
    assert after(drift, 1, 0.5) is None  # classes do not mix


def test_drift_against_its_formula() -> None:
    ranks = np.random.default_rng(1).random(ENOUGH)
    drift = Drift(1)
    score = [after(drift, 0, rank) for rank in ranks][-1]
    grid = np.linspace(0, 1, 100_001)
    share = (ranks[:, None] <= grid).mean(0)
    assert score == pytest.approx(np.abs(share - grid).max(), abs=1e-4)
