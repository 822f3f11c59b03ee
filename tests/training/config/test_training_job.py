"""A job in its parts, and its record as one flat dictionary."""

import pytest

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.config.training_job import PARTS, ExportConfig, Provenance, RunOptions, TrainingJob


def test_values_find_their_parts():
    job = TrainingJob.of(data="digits", epochs=3, gallery=2, workers=0, recipe="cpu-fast")
    assert job == TrainingJob(
        TrainConfig.of(data="digits", epochs=3),
        ExportConfig(gallery=2),
        RunOptions(workers=0),
        Provenance(recipe="cpu-fast"),
    )


def test_no_option_is_in_two_parts():
    names = [name for part in PARTS for name in part.model_fields]
    assert len(names) == len(set(names))


def test_the_record_is_flat_and_whole():
    record = TrainingJob.of(data="digits", teacher=("runs/a",), half=True).record()
    assert record.keys() == {name for part in PARTS for name in part.model_fields}
    assert (record["teacher"], record["half"], record["ensemble"]) == (["runs/a"], True, [])
    assert TrainingJob.of(**record).record() == record


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match="--batchsize: no such option of dpnp train"):
        TrainingJob.of(data="digits", batchsize=3)
    with pytest.raises(ConfigError, match="--gallery -1: "):
        TrainingJob.of(data="digits", gallery=-1)
