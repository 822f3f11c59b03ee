"""Training from Python, as `dpnp train` trains."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import training
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from tests.shards_made import samples, write_tar
from tests.training.commands.command_line import dpnp
from training import train_classifier
from training.config.errors import CheckpointError, ConfigError
from training.recipes.train_classifier import OPTIONS
from training.run import checkpoint
from training.run.accelerator import has_bf16

QUICK = {
    "backbone": "small",
    "embedding_dim": 3,
    "epochs": 1,
    "image_size": 16,
    "precision": "fp32",
}


def test_it_writes_the_bundle_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    bundle = train_classifier("digits", "models/python", gallery=2, **QUICK)
    assert bundle is not None
    options = [f"--{name.replace('_', '-')}={value}" for name, value in QUICK.items()]
    words = ("train", "--data", "digits", "--out", "models/typed", "--gallery", 2, *options)
    assert dpnp(*words, monkeypatch=monkeypatch) == 0
    typed = Bundle.load("models/typed")
    assert bundle.manifest.training == typed.manifest.training
    assert bundle.manifest.metrics == typed.manifest.metrics
    assert bundle.read("weights.safetensors") == typed.read("weights.safetensors")
    assert Path("runs/python/checkpoint.pt").exists()

    with pytest.raises(BundleError, match="--force replaces it"):
        train_classifier("digits", "models/python", **QUICK)
    again = train_classifier("digits", "models/python", force=True, **QUICK, seed=1)
    assert again is not None
    assert again.manifest.fingerprint != bundle.manifest.fingerprint


def test_a_recipe_yields_to_what_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    options = QUICK | {"precision": "auto"}
    bundle = train_classifier("digits", "m", recipe="cpu-fast", **options)
    assert bundle is not None
    record = bundle.manifest.training
    assert (record["recipe"], record["optimizer"]) == ("cpu-fast", "muon")
    assert record["precision"] == ("bf16" if has_bf16() else "fp32")  # as it was run
    assert (record["backbone"], record["epochs"]) == ("small", 1)


def test_what_is_wrong_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--epoch: no such option"):
        train_classifier("digits", "m", epoch=3)
    with pytest.raises(ConfigError, match="--epochs 0"):
        train_classifier("digits", "m", epochs=0)
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        train_classifier("digits", "m", resume=True, **QUICK)
    assert not Path("m").exists()


def test_the_package_names_it_without_torch():
    assert training.__all__ == ["train_classifier"]
    code = "import training, sys; dir(training); assert not {'torch', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'train_something'"):
        _ = training.train_something


def test_a_run_goes_on_with_the_options_that_it_had(tmp_path: Path):
    """The seed decides the splits, other options what the bundle keeps: not given again, they are
    the run's own.
    """
    options = {"backbone": "tiny", "embedding_dim": 3, "image_size": 16, "epochs": 1, "seed": 3}
    out, run = tmp_path / "models" / "digits", tmp_path / "run"
    first = train_classifier("digits", out, run=run, half=True, gallery=2, **options)
    again = train_classifier("digits", out, run=run, resume=True)
    assert first is not None
    assert again is not None
    assert again.manifest.training == first.manifest.training
    assert len(again.embeddings) == 20
    np.testing.assert_array_equal(again.embeddings, first.embeddings)
    more = train_classifier("digits", out, run=run, resume=True, gallery=3)
    assert more is not None
    assert len(more.embeddings) == 30
    (run / OPTIONS).write_text("{")
    with pytest.raises(CheckpointError, match=r"options\.json: unreadable"):
        train_classifier("digits", out, run=run, resume=True)


def test_a_run_cut_in_its_wide_stage_goes_on(tmp_path: Path):
    options = {"backbone": "tiny", "embedding_dim": 3, "image_size": 16, "epochs": 1, "lr": 0.02}
    out, run = tmp_path / "models" / "digits", tmp_path / "run"
    first = train_classifier("digits", out, run=run, wide_epochs=1, gallery=2, **options)
    assert first is not None
    assert first.manifest.training["wide_epochs"] == 1
    assert first.manifest.embedding_dim == 3
    (run / checkpoint.FILE).unlink()  # as if it had been cut before the narrow stage's first epoch
    with pytest.raises(CheckpointError, match="unfinished run"):
        train_classifier("digits", out, run=run, force=True, **options)
    again = train_classifier("digits", out, run=run, resume=True)
    assert again is not None
    np.testing.assert_array_equal(again.embeddings, first.embeddings)
    assert again.manifest.training == first.manifest.training


def test_shards_become_a_bundle_by_way_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    write_tar(tmp_path / "shards" / "0.tar", samples(0, ["cat", "dog"] * 20))
    spec = "webdataset:shards"
    bundle = train_classifier(spec, "m", cache=Path("kept"), cache_gb=0.5, **QUICK)
    assert bundle is not None
    assert bundle.manifest.class_names == ["cat", "dog"]
    assert bundle.gallery.sources[0] == "0.tar/000000.jpg"
    kept = [file for file in Path("kept").rglob("*") if file.is_file()]
    assert len(kept) == 40
    assert dpnp("evaluate", "m", "--data", spec, "--split", "test", monkeypatch=monkeypatch) == 0
    assert "8 pictures" in capsys.readouterr().out
    Path("file").touch()
    with pytest.raises(ConfigError, match="--cache file: Not a directory"):
        train_classifier("webdataset:nowhere", "other", cache=Path("file"), **QUICK)
