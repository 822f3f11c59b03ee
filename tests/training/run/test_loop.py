"""Training end to end on real digits: killed and resumed, accumulated, distributed, diverged."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image

from interpret.geometry.geometry import nearest_angles
from tests.training.conftest import quick_config
from tests.training.run.whole_and_cut import interrupt_after, same_weights
from training.config.errors import CheckpointError, DivergedError
from training.config.training_job import TrainingJob
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.export.bundle_export import export_bundle
from training.model.backbones import backbone
from training.run import checkpoint, metrics_log
from training.run.loop import train

# A run as a process of its own, that can be launched twice, or kill itself after a step.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from training.config.train_config import TrainConfig
from training.data.datasets import load_data
from training.run.loop import train

def on_step(epoch, step):
    if sys.argv[3:] == [f"{epoch}.{step}"]:
        os.kill(os.getpid(), signal.SIGKILL)

config = TrainConfig.model_validate_json(sys.argv[1])
train(config, load_data(config.data), Path(sys.argv[2]), on_step=on_step)
"""


def test_training_learns_and_logs(uninterrupted):
    network, folder = uninterrupted
    epochs = metrics_log.read(folder)
    assert [metrics["epoch"] for metrics in epochs] == [1, 2, 3]
    assert epochs[-1]["valid_accuracy"] > 0.9
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert epochs[-1]["min_sep_deg"] == pytest.approx(
        nearest_angles(network.head.prototypes.detach().numpy()).min(), abs=1e-4
    )


def test_prototypes_end_on_their_sphere(uninterrupted):
    norms = uninterrupted[0].head.prototypes.detach().norm(dim=1)
    assert torch.allclose(norms, torch.full((10,), 40.0), rtol=1e-6)


def test_killed_in_mid_epoch_and_resumed_bit_for_bit(
    uninterrupted, digits: DataSet, tmp_path: Path
):
    arguments = [quick_config().model_dump_json(), str(tmp_path), "1.5"]
    process = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=False)
    assert process.returncode == -signal.SIGKILL
    assert [metrics["epoch"] for metrics in metrics_log.read(tmp_path)] == [1]
    resumed = train(quick_config(), digits, tmp_path, resume=True)
    assert same_weights(resumed, uninterrupted[0])
    assert [metrics["epoch"] for metrics in metrics_log.read(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize(
    "options",
    [
        {"cutmix": 0.7, "auxiliary": 1.0},
        {"backbone": "fast", "optimizer": "muon"},
        {"method": "cl"},  # its centres have a state of their own
    ],
)
def test_an_interrupted_run_is_resumed_bit_for_bit(
    options: dict[str, object], few_digits: DataSet, tmp_path: Path
):
    config = quick_config(epochs=2, **options)
    whole = train(config, few_digits, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, few_digits, tmp_path / "cut", on_epoch=interrupt_after(1))
    assert same_weights(train(config, few_digits, tmp_path / "cut", resume=True), whole)


def test_hooks_see_every_step_and_epoch(few_digits: DataSet, tmp_path: Path):
    steps, epochs = [], []

    def on_epoch(metrics: metrics_log.EpochMetrics) -> None:
        epochs.append(metrics)
        assert checkpoint.read(tmp_path).epoch == metrics["epoch"]

    config = quick_config(epochs=2, batch_size=32, accumulate=2)
    train(
        config, few_digits, tmp_path, on_step=lambda *place: steps.append(place), on_epoch=on_epoch
    )
    assert steps == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert epochs == metrics_log.read(tmp_path)


def test_the_chosen_precision_is_recorded_and_kept(few_digits: DataSet, tmp_path: Path):
    """bf16 at first, and auto when it goes on, whatever auto would be on this machine."""
    config = quick_config(precision="bf16", epochs=2)
    whole = train(config, few_digits, tmp_path / "whole")
    for folder, first in ((tmp_path / "asked", "bf16"), (tmp_path / "chosen", "auto")):
        begun = config.model_copy(update={"precision": first})
        with pytest.raises(KeyboardInterrupt):
            train(begun, few_digits, folder, on_epoch=interrupt_after(1))
    recorded = checkpoint.read(tmp_path / "chosen").config.precision
    assert recorded in ("fp32", "bf16")
    auto = config.model_copy(update={"precision": "auto"})
    resumed = train(auto, few_digits, tmp_path / "asked", resume=True)
    assert same_weights(resumed, whole)
    assert checkpoint.read(tmp_path / "asked").config.precision == "bf16"
    other = {"fp32": "bf16", "bf16": "fp32"}[recorded]
    with pytest.raises(CheckpointError, match=rf"precision \(was {recorded}, now {other}\)"):
        train(
            config.model_copy(update={"precision": other}),
            few_digits,
            tmp_path / "chosen",
            resume=True,
        )


def test_a_run_whose_classes_were_renamed_is_refused(tmp_path: Path):
    pictures, run = tmp_path / "pictures", tmp_path / "run"
    for name, colour in (("cat", "red"), ("dog", "blue")):
        (pictures / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (16, 16 + i), colour).save(pictures / name / f"{i}.png")
    config = quick_config(data=f"folder:{pictures}", batch_size=4, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        train(config, load_data(config.data), run, on_epoch=interrupt_after(1))
    (pictures / "cat").rename(pictures / "bird")
    with pytest.raises(CheckpointError, match=r"class names \(was 'cat', now 'bird'\); names of"):
        train(config, load_data(config.data), run, resume=True)
    (pictures / "bird").rename(pictures / "cat")
    spelled = quick_config(data=f"folder:{pictures}/../pictures", batch_size=4, epochs=2)
    assert train(spelled, load_data(spelled.data), run, resume=True) is not None


def test_an_auxiliary_softmax_trains_with_the_network_and_stays_behind(
    digits: DataSet, tmp_path: Path
):
    config = quick_config(auxiliary=1.0, epochs=1)
    network = train(config, digits, tmp_path / "run")
    (metrics,) = metrics_log.read(tmp_path / "run")
    assert 0 < metrics["auxiliary"] < 2.4  # learned: under ln 10 and a little
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
    ("method", "epochs", "wide_epochs"),
    [
        ("dpnp", 1, 0),
        ("dpnp", 1, 1),  # the narrow stage waits for the weights of the wide one
        ("cl", 1, 0),  # centres by a rule over the whole step
        ("sccl", 2, 0),  # centres are class means over the whole split
    ],
)
def test_two_processes_train_the_weights_of_one(
    method: str, epochs: int, wide_epochs: int, digits: DataSet, tmp_path: Path
):
    """As above, through `accelerate launch` with two CPU processes."""
    options = {"backbone": "torchvision:vgg11", "image_size": 32, "batch_size": 420}
    options |= {"embedding_dim": 3, "wide_epochs": wide_epochs}
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
    two = checkpoint.read(tmp_path / "two").network
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_warm_up_moves_only_what_did_not_come_with_weights(digits: DataSet, tmp_path: Path):
    """Weights that fit all but the last stage: the rest of the network stands still at first."""
    source = backbone("small", 16).state_dict()
    kept = {k: v for k, v in source.items() if not k.startswith("residual3")}
    torch.save(kept, tmp_path / "source.pth")
    options = {"weights": str(tmp_path / "source.pth"), "warmup_epochs": 1, "epochs": 1}
    config = quick_config(**options)

    states = []

    def on_epoch(metrics: metrics_log.EpochMetrics) -> None:
        states.append(checkpoint.read(tmp_path / "run").network)

    train(config, digits, tmp_path / "run", on_epoch=on_epoch)
    first, second = states
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


def test_resuming_another_configuration_names_what_changed(uninterrupted, digits: DataSet):
    with pytest.raises(CheckpointError, match=r"another configuration: epochs \(was 3, now 4\)"):
        train(quick_config(epochs=4), digits, uninterrupted[1], resume=True)


def test_there_must_be_a_checkpoint_to_resume_from(digits: DataSet, tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        train(quick_config(), digits, tmp_path, resume=True)


def test_divergence_stops_the_run_and_says_so(digits: DataSet, tmp_path: Path):
    with pytest.raises(DivergedError, match=r"the loss became (nan|inf) in epoch \d.*lower --lr"):
        train(quick_config(lr=1e6, epochs=2), digits, tmp_path)
