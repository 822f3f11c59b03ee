from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from interpret.model.onnx_weights import halved, shuffled, widened
from interpret.model.predictor import Predictor

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> bytes:
    """A network in single precision, whatever the bundle stores."""
    return widened((DIGITS / "model.onnx").read_bytes())


def weights(model: bytes) -> dict[str, np.ndarray]:
    return {
        t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(model).graph.initializer
    }


def test_large_filters_are_stored_in_half_the_space(model: bytes):
    stored = weights(halved(model))
    for name, values in weights(model).items():
        if values.ndim == 4 and values.size >= 4096:
            np.testing.assert_array_equal(stored[f"{name}.half"], values.astype(np.float16))
            assert name not in stored
        else:
            np.testing.assert_array_equal(stored[name], values)
    assert len(halved(model)) < 0.6 * len(model)


def test_widened_computes_what_halved_does(model: bytes):
    small = halved(model)
    once, again = (Predictor(m)(PIXELS) for m in (small, widened(small)))
    np.testing.assert_array_equal(once.embedding, again.embedding)
    assert weights(widened(small)).keys() == weights(model).keys()
    assert widened(model) == model


def test_shuffled_weights_are_the_same_numbers(model: bytes):
    old, new = weights(model), weights(shuffled(model, seed=0))
    changed = 0
    for name, values in old.items():
        np.testing.assert_array_equal(np.sort(values.ravel()), np.sort(new[name].ravel()))
        changed += not np.array_equal(values, new[name])
    assert changed >= 8  # every convolution
