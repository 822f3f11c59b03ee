import math
import threading
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError, DpnpError
from interpret.model.devices import cuda_device_count
from interpret.model.predictor import Predictor
from tests.conftest import TOY_MODEL, write_toy_bundle
from tests.interpret.bundle.forge import bundle_without_evidence, change_manifest, replace_file

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (150, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def predictor(toy_bundle: Bundle) -> Predictor:
    return Predictor(toy_bundle, device="cpu")


def test_by_hand(predictor: Predictor) -> None:
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    pixels[0, :2] = (255, 0, 0)  # half red, half black: the mean colour is (½, 0, 0)
    found = predictor(pixels, evidence=True)
    np.testing.assert_allclose(found.embedding, [[0.5, 0, 0]])
    np.testing.assert_allclose(found.distances, [[0.5, math.sqrt(1.25), math.sqrt(1.25)]])
    e = math.exp(0.5)
    np.testing.assert_allclose(found.probabilities, [np.array([e, 1, 1]) / (e + 2)], rtol=1e-6)
    assert found.evidence is not None
    np.testing.assert_array_equal(found.evidence[0, 0], [[1] * 4] * 2 + [[0] * 4] * 2)


def test_evidence_only_when_asked(predictor: Predictor) -> None:
    assert predictor(PICTURES[:1]).evidence is None


@pytest.mark.parametrize("batch_size", [1, 7, 64, 150, 1000])
def test_batches_agree_with_single_pictures(predictor: Predictor, batch_size: int) -> None:
    together = predictor(PICTURES, batch_size=batch_size, evidence=True)
    for row in (0, 6, 7, 63, 64, 149):
        alone = predictor(PICTURES[row : row + 1], evidence=True)
        for a, b in zip(together[:5], alone[:5], strict=True):  # not the pooled features
            assert a is not None
            assert b is not None
            np.testing.assert_allclose(a[row], b[0], rtol=1e-6)
            assert a.dtype == np.float32
            assert len(a) == 150


def test_the_mean_of_the_evidence_is_the_embedding(predictor: Predictor) -> None:
    found = predictor(PICTURES, evidence=True)
    assert found.evidence is not None
    np.testing.assert_allclose(found.evidence.mean((2, 3)), found.embedding, atol=1e-6)


def test_no_pictures(predictor: Predictor) -> None:
    found = predictor(PICTURES[:0], evidence=True)
    assert found.evidence is not None
    shapes = [part.shape for part in found if part is not None]
    assert shapes == [(0, 3), (0, 3), (0, 3), (0, 3, 4, 4), (0,)]


@pytest.mark.parametrize(
    "pixels",
    [
        PICTURES[0],
        PICTURES[:, :3],
        PICTURES[..., :2],
        PICTURES.transpose(0, 3, 1, 2),
        PICTURES.astype(np.float32),
        PICTURES.astype(np.int64),
    ],
)
def test_another_shape_or_dtype(predictor: Predictor, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"not uint8 \(N, 4, 4, 3\)"):
        predictor(pixels)


def test_many_threads_at_once(predictor: Predictor) -> None:
    truth, wrong = predictor(PICTURES).distances, []

    def work() -> None:
        for row in range(0, 150, 3):
            if not np.allclose(predictor(PICTURES[row : row + 3]).distances, truth[row : row + 3]):
                wrong.append(row)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_and_provider(toy_bundle: Bundle) -> None:
    one = Predictor(toy_bundle, threads=1, device="cpu")
    assert one.provider == "CPUExecutionProvider"
    assert one(PICTURES[:2]).distances.shape == (2, 3)
    if cuda_device_count() == 0:
        assert Predictor(toy_bundle).provider == "CPUExecutionProvider"


@pytest.mark.skipif(cuda_device_count() > 0, reason="this machine has a GPU")
def test_cuda_on_a_machine_without(toy_bundle: Bundle) -> None:
    with pytest.raises(DpnpError, match="CUDA was asked for, but the driver shows no GPU"):
        Predictor(toy_bundle, device="cuda")


def _model(text: str) -> bytes:
    return onnx.parser.parse_model(text).SerializeToString()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (b"", "model.onnx: "),
        (b"this is no model", "model.onnx: "),
        (bytes(1000), "model.onnx: "),
        (_model(TOY_MODEL)[:-40], "model.onnx: "),
        (_model(TOY_MODEL.replace("Softmax", "Softest")), "Softest"),
        (_model(TOY_MODEL.replace("pixels", "image")), "has no pixels"),
        (_model(TOY_MODEL.replace("distances", "metres")), "has no distances"),
        (_model(TOY_MODEL.replace("uint8[n,", "uint8[2,")), "the batch, and nothing else"),
        (
            _model(TOY_MODEL.replace("[n, 4, 4, 3] pix", "[n, s, s, 3] pix")),
            "the batch, and nothing else",
        ),
    ],
)
def test_a_model_that_is_none(tmp_path: Path, model: bytes, words: str) -> None:
    bundle = write_toy_bundle(tmp_path / "toy")
    replace_file(bundle.path, "model.onnx", model)
    with pytest.raises(BundleError) as caught:
        Predictor(Bundle.load(bundle.path), device="cpu")
    assert str(bundle.path / "model.onnx") in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_size": 8}, "pixels has shape (0, 4, 4, 3), not (0, 8, 8, 3)"),
        ({"evidence": {"rows": 2, "cols": 4}}, "evidence has shape (0, 3, 4, 4), not (0, 3, 2, 4)"),
    ],
)
def test_a_model_at_odds_with_its_manifest(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    bundle = write_toy_bundle(tmp_path / "toy")
    change_manifest(bundle.path, lambda document: document.update(change))
    with pytest.raises(BundleError) as caught:
        Predictor(Bundle.load(bundle.path), device="cpu")
    assert words in str(caught.value)


def test_a_model_without_evidence(tmp_path: Path) -> None:
    predictor = Predictor(bundle_without_evidence(tmp_path / "toy"), device="cpu")
    assert not predictor.has_evidence
    assert predictor(PICTURES[:1], evidence=True).evidence is None


def test_a_model_in_memory() -> None:
    found = Predictor(_model(TOY_MODEL), device="cpu")(PICTURES[:3])
    np.testing.assert_allclose(found.embedding, PICTURES[:3].mean((1, 2)) / 255, rtol=1e-5)
