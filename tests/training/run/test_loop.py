"""Training end to end on real digits: killed and resumed, accumulated, distributed, diverged."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from interpret.geometry.geometry import nearest_angles
from tests.training.conftest import quick_config
from training.config.errors import CheckpointError, DivergedError
from training.config.training_job import TrainingJob
from training.data.datasets import DataSet
from training.export.bundle_export import export_bundle
from training.model.backbones import backbone
from training.run import checkpoint
from training.run.loop import train

# A run as a process of its own, that can be killed or launched twice.
SCRIPT = """
import sys
from pathlib import Path
from training.config.train_config import TrainConfig
from training.data.datasets import load_data
from training.run.loop import train

config = TrainConfig.model_validate_json(sys.argv[1])
train(config, load_data(config.data), Path(sys.argv[2]))
"""


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(value, other[name]) for name, value in a.state_dict().items())


def test_training_learns_and_logs(uninterrupted):
    network, folder = uninterrupted
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["valid_accuracy"] > 0.9
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["min_sep_deg"] == pytest.approx(
        nearest_angles(network.head.prototypes.detach().numpy()).min(), abs=1e-4
    )


def test_prototypes_end_on_their_sphere(uninterrupted):
    norms = uninterrupted[0].head.prototypes.detach().norm(dim=1)
    assert torch.allclose(norms, torch.full((10,), 40.0), rtol=1e-6)


def test_killed_in_mid_epoch_and_resumed_bit_for_bit(
    uninterrupted, digits: DataSet, tmp_path: Path
):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, quick_config().model_dump_json(), str(tmp_path)],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / METRICS).exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.2)  # some steps into the second epoch
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len((tmp_path / METRICS).read_text().splitlines()) < 3
    resumed = train(quick_config(), digits, tmp_path, resume=True)
    assert same(resumed, uninterrupted[0])
    assert len((tmp_path / METRICS).read_text().splitlines()) == 3


def test_a_run_that_mixes_pictures_is_resumed_bit_for_bit(digits: DataSet, tmp_path: Path):
    config = quick_config(cutmix=0.7, auxiliary=1.0, epochs=2)
    whole = train(config, digits, tmp_path / "whole")
    run = tmp_path / "cut"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.run.loop._LOG.info", interrupt_after_epoch(1))
        with pytest.raises(KeyboardInterrupt):
            train(config, digits, run)
    assert same(train(config, digits, run, resume=True), whole)


def interrupt_after_epoch(epoch: int):
    def info(message: str, *args: object) -> None:
        if message.startswith(f"epoch {epoch}/"):
            raise KeyboardInterrupt

    return info


def test_an_auxiliary_softmax_trains_with_the_network_and_stays_behind(
    digits: DataSet, tmp_path: Path
):
    config = quick_config(auxiliary=1.0, epochs=1)
    network = train(config, digits, tmp_path / "run")
    (line,) = (tmp_path / "run" / METRICS).read_text().splitlines()
    assert 0 < json.loads(line)["auxiliary"] < 2.4  # learned: under ln 10 and a little
    assert network.auxiliary is not None
    bundle = export_bundle(network, TrainingJob(config), digits, tmp_path / "bundle")
    names = safetensors.torch.load(bundle.read("weights.safetensors"))
    assert not [name for name in names if "auxiliary" in name]


def test_accumulation_changes_nothing_but_memory(digits: DataSet, tmp_path: Path):
    """On a network without batch statistics: same global batch, same weights up to rounding."""
    options = {"backbone": "torchvision:vgg11", "epochs": 1, "image_size": 32, "batch_size": 630}
    whole = train(quick_config(**options, lr=1e-3), digits, tmp_path / "whole")
    parts = train(quick_config(**options, lr=1e-3, accumulate=3), digits, tmp_path / "parts")
    for (name, a), (_, b) in zip(whole.named_parameters(), parts.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("method", "epochs"),
    [
        ("dpnp", 1),
        ("cl", 1),  # centres by a rule over the whole step
        ("sccl", 2),  # centres are class means over the whole split
    ],
)
def test_two_processes_train_the_weights_of_one(
    method: str, epochs: int, digits: DataSet, tmp_path: Path
):
    """As above, through `accelerate launch` with two CPU processes."""
    options = {"backbone": "torchvision:vgg11", "image_size": 32, "batch_size": 420}
    config = quick_config(**options, lr=1e-3, method=method, epochs=epochs)
    one = train(config, digits, tmp_path / "one")
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    accelerate = Path(sys.executable).with_name("accelerate")
    # Accelerate's own --cpu starts several processes through MPI only; this way it is torchrun.
    launch = [accelerate, "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [*launch, script, config.model_dump_json(), tmp_path / "two"],
        cwd=root,
        env=os.environ
        | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    two = torch.load(tmp_path / "two" / checkpoint.FILE, weights_only=True)["network"]
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_warm_up_moves_only_what_did_not_come_with_weights(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Weights that fit all but the last stage: the rest of the network stands still at first."""
    source = backbone("small", 16).state_dict()
    kept = {k: v for k, v in source.items() if not k.startswith("residual3")}
    torch.save(kept, tmp_path / "source.pth")
    options = {"weights": str(tmp_path / "source.pth"), "warmup_epochs": 1, "epochs": 1}
    config = quick_config(**options)

    after_warm_up = {}
    save = checkpoint.save

    def kept_too(run, config, progress, network, optimizer):
        after_warm_up.setdefault("state", copy.deepcopy(network.state_dict()))
        save(run, config, progress, network, optimizer)

    monkeypatch.setattr(checkpoint, "save", kept_too)
    second = train(config, digits, tmp_path / "run").state_dict()
    first = after_warm_up["state"]
    for name, value in kept.items():
        if name.endswith(("weight", "bias")):
            assert torch.equal(first[f"backbone.{name}"], value), name
            assert not torch.equal(second[f"backbone.{name}"], value), name
    name = "residual3.0.0.weight"
    assert not torch.equal(first[f"backbone.{name}"], source[name])
    assert not torch.equal(first["projection.weight"], second["projection.weight"])


def test_an_unfinished_run_is_not_overwritten(uninterrupted, digits: DataSet):
    with pytest.raises(CheckpointError, match=r"unfinished run \(3 epochs done\).*--resume"):
        train(quick_config(), digits, uninterrupted[1])


def test_a_finished_run_may_be_overwritten(uninterrupted, tmp_path: Path):
    file = tmp_path / checkpoint.FILE
    file.write_bytes((uninterrupted[1] / checkpoint.FILE).read_bytes())
    checkpoint.mark_finished(tmp_path)
    assert checkpoint.check_overwrite(tmp_path) is None


def test_resuming_another_configuration_names_what_changed(uninterrupted, digits: DataSet):
    with pytest.raises(CheckpointError, match=r"another configuration: epochs \(was 3, now 4\)"):
        train(quick_config(epochs=4), digits, uninterrupted[1], resume=True)


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_missing_or_broken_checkpoint_is_an_error(
    digits: DataSet, tmp_path: Path, content: bytes | None
):
    if content is not None:
        (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=str(tmp_path / checkpoint.FILE)):
        train(quick_config(), digits, tmp_path, resume=True)


def test_divergence_stops_the_run_and_says_so(digits: DataSet, tmp_path: Path):
    with pytest.raises(DivergedError, match=r"the loss became (nan|inf) in epoch \d.*lower --lr"):
        train(quick_config(lr=1e6, epochs=2), digits, tmp_path)
