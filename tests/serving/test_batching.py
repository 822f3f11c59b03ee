"""Batches of what waits: every caller gets its own row, and a fault reaches all it concerns."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Prediction, Predictor
from serving.batching import BatchingPredictor


class Slow:
    """The toy's predictor, with time for others to queue up meanwhile, and a fault on demand."""

    def __init__(self, bundle: Bundle) -> None:
        self._predictor = Predictor(bundle, threads=1)
        self.input_size, self.provider = self._predictor.input_size, self._predictor.provider
        self.sizes: list[int] = []
        self.at_once, self.most = 0, 0

    def __call__(self, pixels: np.ndarray, *, evidence: bool = False) -> Prediction:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.sizes.append(len(pixels))
        time.sleep(0.01)
        self.at_once -= 1
        if (pixels == 13).all((1, 2, 3)).any():
            raise ZeroDivisionError("a fault in the model")
        return self._predictor(pixels, evidence=evidence)


@pytest.fixture
def slow(toy_bundle: Bundle) -> Slow:
    return Slow(toy_bundle)


def grey(level: int) -> np.ndarray:
    return np.full((1, 4, 4, 3), level, np.uint8)


def test_each_gets_its_own_answer(slow: Slow) -> None:
    batching = BatchingPredictor(slow, max_batch=8)

    def ask(level: int) -> None:
        answer = batching(grey(level), evidence=level % 2 == 0)
        np.testing.assert_allclose(answer.embedding, [[level / 255] * 3], rtol=1e-6)
        assert answer.distances.shape == (1, 3)
        if level % 2 == 0:
            assert answer.evidence is not None
            np.testing.assert_allclose(answer.evidence.mean((2, 3)), answer.embedding, rtol=1e-6)

    levels = [level for level in range(200) if level != 13]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, levels))
    assert sum(slow.sizes) == len(levels)
    assert slow.most == 1  # one inference at a time
    assert 1 < max(slow.sizes) <= 8
    assert len(slow.sizes) < len(levels) / 2


def test_a_lone_call_runs_in_its_own_thread(slow: Slow) -> None:
    before = threading.active_count()
    BatchingPredictor(slow, max_batch=8)(grey(1))
    assert slow.sizes == [1]
    assert threading.active_count() == before


def test_after_a_fault_all_goes_on(slow: Slow) -> None:
    batching = BatchingPredictor(slow, max_batch=4)

    def ask(level: int) -> str:
        try:
            return "answer" if batching(grey(level)).embedding.shape == (1, 3) else "other"
        except ZeroDivisionError:
            return "fault"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(ask, [*range(60), *range(60)]))
    assert outcomes[13] == outcomes[73] == "fault"
    assert outcomes.count("fault") <= 2 * 4
    assert ask(1) == "answer"


def test_calls_of_several_pictures_share_inferences_too(slow: Slow) -> None:
    batching = BatchingPredictor(slow, max_batch=8)

    def ask(count: int) -> None:
        levels = list(range(20, 20 + count))
        answer = batching(np.concatenate([grey(level) for level in levels]), evidence=True)
        np.testing.assert_allclose(answer.embedding[:, 0], np.array(levels) / 255, rtol=1e-6)
        assert answer.evidence is not None
        assert answer.evidence.shape == (count, 3, 4, 4)

    ask(20)
    assert slow.sizes == [7, 7, 6]  # no small one at the end
    slow.sizes.clear()
    counts = [1, 3, 8, 20, 5, 1] * 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, counts))
    assert sum(slow.sizes) == sum(counts)
    assert max(slow.sizes) <= 8
    assert slow.most == 1
