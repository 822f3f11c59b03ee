"""An engine over a real bundle, and its exchange; tests/serving/test_reload.py has the servers."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError, DpnpError
from interpret.explain.explainer import Explainer
from serving import engine
from serving.answers import Map
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
    assert [p.label for p in made.prototypes.prototypes] == ["red", "green", "blue"]


def test_the_map_shows_a_part_of_a_large_gallery(
    toy_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAP_POINTS", 3)
    found: Map = engine._map(Explainer(toy_bundle))
    assert found.ids == [10, 12, 15]
    assert found.labels == [0, 2, 2]
    assert found.points == [[1, 0, 0], [0, 0, 1], [0, 0, 0.5]]
    assert len(found.prototypes) == len(found.colours) == 3
    assert found.fit == "crop"


def test_a_map_of_an_empty_gallery(toy_bundle: Bundle) -> None:
    table = toy_bundle.gallery
    empty = replace(
        toy_bundle,
        embeddings=toy_bundle.embeddings[:0],
        gallery=replace(
            table, ids=table.ids[:0], labels=table.labels[:0], splits=[], sources=[], thumbnails=[]
        ),
    )
    found = engine._map(Explainer(empty))
    assert (found.ids, found.points, len(found.prototypes)) == ([], [], 3)


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
