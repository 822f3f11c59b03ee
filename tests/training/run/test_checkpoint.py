"""What a checkpoint holds, and which run may go on from it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.conftest import quick_config
from training.config.errors import CheckpointError
from training.data.data_record import DataRecord
from training.data.splits import DataSet
from training.run import checkpoint
from training.run.checkpoint import Checkpoint


@pytest.fixture
def saved(digits: DataSet) -> Checkpoint:
    """Of a small network that is no network."""
    return Checkpoint(
        config=quick_config(teacher=("runs/1", "runs/2")),
        data=DataRecord.of(digits, 16),
        epoch=2,
        network={"weight": torch.arange(4.0)},
        optimizer=[{"state": {0: {"momentum_buffer": torch.ones(4)}}, "param_groups": []}],
    )


def test_what_is_written_is_read(saved: Checkpoint, tmp_path: Path):
    checkpoint.write(tmp_path, saved)
    found = checkpoint.read(tmp_path)
    assert (found.config, found.data, found.epoch) == (saved.config, saved.data, 2)
    assert torch.equal(found.network["weight"], torch.arange(4.0))
    assert torch.equal(found.optimizer[0]["state"][0]["momentum_buffer"], torch.ones(4))
    assert not found.finished
    assert [file.name for file in tmp_path.iterdir()] == [checkpoint.FILE]


def test_only_a_finished_run_may_be_overwritten(saved: Checkpoint, tmp_path: Path):
    checkpoint.check_overwrite(tmp_path)  # nothing is there
    checkpoint.write(tmp_path, saved)
    with pytest.raises(CheckpointError, match=r"unfinished run \(2 epochs done\).*--resume"):
        checkpoint.check_overwrite(tmp_path)
    checkpoint.mark_finished(tmp_path)
    checkpoint.check_overwrite(tmp_path)
    found = checkpoint.read(tmp_path)
    assert found.finished
    assert found.epoch == 2
    assert torch.equal(found.network["weight"], torch.arange(4.0))


@pytest.mark.parametrize("changes", [{}, {"data": "folder:./digits/"}, {"precision": "auto"}])
def test_what_cannot_change_the_weights_is_not_asked(saved: Checkpoint, changes: dict[str, str]):
    asked = saved.config.model_copy(update=changes)
    saved.check_same_run(Path("run"), asked, saved.data)
    assert asked.epochs == saved.config.epochs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 4}, r"another configuration: epochs \(was 3, now 4\)$"),
        ({"lr": 0.1, "seed": 7}, r"lr \(was 0.05, now 0.1\), seed \(was 0, now 7\)$"),
        ({"precision": "bf16"}, r"precision \(was fp32, now bf16\)$"),
        ({"teacher": ()}, r"teacher \(was \('runs/1', 'runs/2'\), now \(\)\)$"),
    ],
)
def test_another_configuration_is_named(
    saved: Checkpoint, changes: dict[str, object], message: str
):
    asked = saved.config.model_copy(update=changes)
    with pytest.raises(CheckpointError, match=message):
        saved.check_same_run(Path("run"), asked, saved.data)


def test_other_data_is_named(saved: Checkpoint):
    renamed = replace(saved.data, class_names=("zero", *saved.data.class_names[1:]), input_size=32)
    expected = r"other data: class names \(was '0', now 'zero'\); input size \(was 16, now 32\)"
    with pytest.raises(CheckpointError, match=expected):
        saved.check_same_run(Path("run"), saved.config, renamed)


def test_a_checkpoint_without_a_record_of_its_data_is_read_but_not_resumed(
    saved: Checkpoint, tmp_path: Path
):
    checkpoint.write(tmp_path, replace(saved, data=None))
    state = torch.load(tmp_path / checkpoint.FILE, weights_only=True)
    del state["data"]  # as an earlier version wrote it
    torch.save(state, tmp_path / checkpoint.FILE)
    found = checkpoint.read(tmp_path)
    assert found.config == saved.config
    with pytest.raises(CheckpointError, match="without a record of its data"):
        found.check_same_run(tmp_path, saved.config, saved.data)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no checkpoint"), (b"", "unreadable"), (b"x", "unreadable")]
)
def test_a_missing_or_broken_file_is_named(tmp_path: Path, content: bytes | None, message: str):
    if content is not None:
        (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{tmp_path / checkpoint.FILE}: {message}"):
        checkpoint.read(tmp_path)
