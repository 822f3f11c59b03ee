"""A class that training never saw, added from 50 pictures and asked for through the service."""

from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.edit.classes import add_class
from tests.serving.servers import serve
from tests.training.conftest import quick_config
from training.config.training_job import TrainingJob
from training.data.datasets import load_data
from training.data.splits import DataSet, Split
from training.export.bundle_export import export_bundle
from training.run.loop import train

NEW = 9


def without(split: Split, label: int) -> Split:
    return split.subset(np.flatnonzero(split.labels != label))


def write(split: Split, rows: np.ndarray, folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    paths = [folder / f"{row}.png" for row in rows]
    for row, path in zip(rows, paths, strict=True):
        split.open_picture(int(row)).save(path)
    return paths


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on the digits 0 to 8, without a single 9."""
    whole, folder = load_data("digits"), tmp_path_factory.mktemp("nine")
    data: DataSet = replace(
        whole,
        class_names=whole.class_names[:NEW],
        splits={name: without(split, NEW) for name, split in whole.splits.items()},
    )
    config = quick_config(backbone="tiny", embedding_dim=10, epochs=6)
    network = train(config, data, folder / "run")
    export_bundle(network, TrainingJob(config), data, folder / "nine")
    return folder / "nine"


def test_a_class_that_training_never_saw(nine: Path, tmp_path: Path):
    digits = load_data("digits")
    splits = {name: (s, np.flatnonzero(s.labels == NEW)) for name, s in digits.splits.items()}
    train_split, rows = splits["train"]
    write(train_split, rows[:50], tmp_path / "9")
    add_class(Bundle.load(nine), "9", tmp_path / "9", tmp_path / "ten")
    test_split, rows = splits["test"]
    pictures = write(test_split, rows, tmp_path / "unseen")
    others = np.flatnonzero(test_split.labels != NEW)[:: len(test_split) // 40]
    old = write(test_split, others, tmp_path / "old")
    with (
        serve(tmp_path / "log", DPNP_BUNDLE=tmp_path / "ten") as server,
        httpx.Client(base_url=server.url) as client,
    ):

        def label(path: Path) -> str:
            answer = client.post("/predict", files={"image": path.read_bytes()})
            return str(answer.raise_for_status().json()["label"])

        recognised = np.mean([label(path) == "9" for path in pictures])
        kept = np.mean(
            [
                label(path) == str(test_split.labels[row])
                for row, path in zip(others, old, strict=True)
            ]
        )
        found = client.post("/similar", data={"prototype": "9", "k": 5}).json()["results"]
    assert recognised > 0.75
    assert kept > 0.9
    assert {each["label"] for each in found} == {"9"}
