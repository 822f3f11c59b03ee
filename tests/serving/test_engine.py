"""An engine over a real bundle, and its exchange; tests/serving/test_reload.py has the servers."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.errors import BundleError, DpnpError
from interpret.model.devices import cuda_device_count
from serving import engine
from serving.batching import together
from serving.engine import Engine, EngineHolder
from serving.settings import Settings
from tests.conftest import write_toy_bundle


@pytest.fixture
def settings(toy_bundle: Bundle, tmp_path: Path) -> Settings:
    shutil.copytree(toy_bundle.path, tmp_path / "bundle")
    return Settings(bundle=tmp_path / "bundle", threads=1, device="cpu")


def test_an_engine_answers_in_batches(settings: Settings) -> None:
    made = Engine(settings)
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert made.explainer.classify(red)[0].label == "red"
    assert isinstance(made.explainer.predictor, engine.BatchingPredictor)
    assert [p.label for p in made.prototypes().prototypes] == ["red", "green", "blue"]


def test_a_row_of_requests_is_answered_as_each_alone(settings: Settings) -> None:
    made = Engine(settings)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    wishes = [(5, False), (1, False), (2, True), (1, False), (5, False), (3, True)]
    row = [made.classification(p, *wish) for p, wish in zip(pixels, wishes, strict=True)]
    explained = made.evidence(pixels[0])
    *answers, prediction = together([*row, explained])
    for picture, (top, probabilities), answer in zip(pixels, wishes, answers, strict=True):
        alone = made.explainer.classify(picture[None], top=top, probabilities=probabilities)
        assert [answer] == alone
        assert len(answer.prototypes) == min(top, 3)
    assert prediction.evidence.shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("side", "batch", "row"), [(None, 16, 16), (96, 14, 16), (160, 5, 10), (500, 1, 2)]
)
def test_batches_follow_the_size_that_the_network_computes_on(
    tmp_path: Path, side: int | None, batch: int, row: int
) -> None:
    write_toy_bundle(tmp_path / "bundle", training={"image_size": side})
    made = Engine(Settings(bundle=tmp_path / "bundle", threads=1, device="cpu"))
    assert (made.batch, made.row) == (batch, row)


def test_a_bad_bundle_makes_no_engine(settings: Settings) -> None:
    (settings.bundle_path / "prototypes.npy").unlink()
    with pytest.raises(BundleError, match=r"prototypes\.npy"):
        Engine(settings)


def test_a_holder_exchanges_its_engine(settings: Settings) -> None:
    holder = EngineHolder(settings)
    first = holder.engine
    assert holder.reload() is False
    assert holder.engine is first
    second = write_toy_bundle(settings.bundle_path, name="second")
    assert holder.reload() is True
    assert holder.engine.model.fingerprint == second.manifest.fingerprint
    assert first.model.name == "toy"  # requests under way keep what they began with


def test_a_holder_keeps_its_engine_when_the_new_one_is_bad(settings: Settings) -> None:
    holder = EngineHolder(settings)
    first = holder.engine
    (settings.bundle_path / "model.onnx").write_bytes(b"")
    with pytest.raises(DpnpError, match=r"model\.onnx.*toy \(.{12}\) keeps serving"):
        holder.reload()
    assert holder.engine is first


def test_the_stamp_tells_of_every_change(settings: Settings, tmp_path: Path) -> None:
    before = engine._stamp(settings.bundle_path)
    assert engine._stamp(settings.bundle_path) == before
    (settings.bundle_path / "model.onnx").write_bytes(b"x")
    assert engine._stamp(settings.bundle_path) != before
    assert engine._stamp(tmp_path / "none") == ()


NO_GPU = pytest.mark.skipif(cuda_device_count() > 0, reason="this machine has a GPU")


@NO_GPU
def test_cuda_that_is_not_there_is_an_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.check_device(settings)  # cpu: nothing to check
    wanted = settings.model_copy(update={"device": "cuda"})
    with pytest.raises(DpnpError, match="DPNP_DEVICE is cuda, but the driver shows no GPU"):
        engine.check_device(wanted)
    # A driver that shows a GPU on which the model does not run: the process of its own says why.
    monkeypatch.setattr(engine, "cuda_device_count", lambda: 1)
    with pytest.raises(DpnpError, match="does not run on it: CUDA was asked for, but the driver"):
        engine.check_device(wanted)


def test_a_service_is_ready_where_its_model_runs_as_asked(settings: Settings) -> None:
    holder = EngineHolder(settings)
    assert holder.ready
    assert (holder.engine.about.device, holder.engine.about.threads) == ("cpu", 1)
    holder._settings = settings.model_copy(update={"device": "cuda"})
    assert holder.ready is (holder.engine.about.provider == "CUDAExecutionProvider")


def test_the_model_tells_its_coverage(toy_bundle: Bundle, tmp_path: Path) -> None:
    found = Calibration(
        split="valid",
        examples=100,
        coverage=0.9,
        max_distance=[1.0] * 3,
        min_margin=[0.1] * 3,
        pooled=[],
        measured_coverage=0.91,
        accepted=0.7,
        accuracy_of_accepted=0.98,
        temperature=1.0,
        expected_calibration_error=0.02,
        expected_calibration_error_before=0.03,
        reliability=[],
        confusions=[],
    )
    write_toy_bundle(tmp_path / "calibrated", calibration=found)
    about = Engine(Settings(bundle=tmp_path / "calibrated", threads=1, device="cpu")).about
    assert about.coverage is not None
    assert about.coverage.model_dump() == {
        "stated": 0.9,
        "measured": 0.91,
        "accepted": 0.7,
        "accuracy_of_accepted": 0.98,
        "split": "valid",
        "examples": 100,
    }


def test_the_collector_looks_at_new_objects_alone() -> None:
    code = (
        "import gc; from serving.engine import GARBAGE, spare_the_collector; "
        "spare_the_collector(); assert gc.isenabled() and gc.get_threshold()[0] == GARBAGE; "
        "print(gc.get_freeze_count(), len(gc.get_objects()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    frozen, seen = map(int, done.stdout.split())
    assert frozen > 50_000
    assert seen < 1_000
