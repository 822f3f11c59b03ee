"""`dpnp train` and `dpnp evaluate` as a user types them."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import ClassFigures
from tests.training.commands.command_line import dpnp
from training.data.datasets import load_data

QUICK = ["--backbone", "small", "--embedding-dim", "3", "--epochs", "1", "--image-size", "16"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits 0 and 1 as a user's folder of files, ten of each."""
    root, split = tmp_path_factory.mktemp("pictures"), load_data("digits").splits["train"]
    for label, name in ((0, "zero"), (1, "one")):
        (root / name).mkdir()
        for i in (split.labels == label).nonzero()[0][:10]:
            split.open_picture(int(i)).save(root / name / f"{i}.png")
    return root


def test_folder_to_bundle_to_figures(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    code = dpnp(
        *("train", "--data", f"folder:{pictures}", *QUICK, "--out", "models/mine"),
        *("--batch-size", 4, "--lr", 0.01, "--tensorboard"),
        monkeypatch=monkeypatch,
    )
    assert code == 0, capsys.readouterr().err
    output = capsys.readouterr()
    assert "accuracy (test, 4 pictures)" in output.out
    assert "This model is " in output.out
    assert "The interval is wide, for it is of 4 pictures" in output.out
    assert "dpnp serve models/mine" in output.out
    assert "MinSep" not in output.out
    assert "epoch 1/1" in output.err
    bundle = Bundle.load("models/mine")
    assert bundle.manifest.class_names == ["one", "zero"]
    assert bundle.manifest.training["batch_size"] == 4
    assert len(bundle.gallery.ids) == 14
    assert list(Path("runs/mine").rglob("events.out.tfevents.*"))

    code = dpnp(
        *("evaluate", "models/mine", "--data", f"folder:{pictures}", "--split", "test", "--json"),
        monkeypatch=monkeypatch,
    )
    measured = json.loads(capsys.readouterr().out)
    assert code == 0
    assert measured["accuracy"] == bundle.manifest.metrics.accuracy
    assert measured["examples"] == 4
    assert bundle.manifest.metrics.per_class == [
        ClassFigures.model_validate(figures) for figures in measured["per_class"]
    ]

    code = dpnp(
        *("evaluate", "models/mine", "--data", f"folder:{pictures}"), monkeypatch=monkeypatch
    )
    printed = capsys.readouterr().out
    assert code == 0
    assert "accuracy (all, 20 pictures)" in printed
    assert "of 6 not trained on" in printed
    assert "14 of these pictures were trained on" in printed


def test_a_bundle_is_replaced_by_force_or_by_the_run_itself(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    command = ["train", "--data", f"folder:{pictures}", *QUICK, "--out", "m", "--batch-size", 4]
    assert dpnp(*command, monkeypatch=monkeypatch) == 0
    first = Bundle.load("m").manifest.fingerprint
    capsys.readouterr()
    assert dpnp(*command, monkeypatch=monkeypatch) == 2
    problem = "error: --out m: a bundle is there already; --force replaces it\n"
    assert capsys.readouterr().err == problem
    assert Bundle.load("m").manifest.fingerprint == first
    weights = Bundle.load("m").read("weights.safetensors")
    other = ("--workers", 0, "--gallery", 1, "--half")  # these change no weights
    assert dpnp(*command, "--resume", *other, "--verbose", monkeypatch=monkeypatch) == 0
    assert "separation to compactness ratio (train)" in capsys.readouterr().out
    halved = safetensors.torch.load(Bundle.load("m").read("weights.safetensors"))
    for name, tensor in safetensors.torch.load(weights).items():
        assert torch.equal(halved[name], tensor.half() if tensor.ndim == 4 else tensor)
    assert len(Bundle.load("m").gallery.ids) == 2
    assert dpnp(*command, "--seed", 1, "--force", monkeypatch=monkeypatch) == 0
    assert Bundle.load("m").manifest.fingerprint != first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "runs"]


def test_control_c_says_how_to_go_on(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    # A shell's background jobs ignore interrupts, the tests among them.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    stopped = threading.Event()

    def interrupt() -> None:
        while not Path("runs/m/metrics.jsonl").exists():
            time.sleep(0.01)
        # Python drops an interrupt that comes while it runs a destructor; a user presses again.
        os.kill(os.getpid(), signal.SIGINT)
        while not stopped.wait(5):
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    command = ["train", "--data", f"folder:{pictures}", *QUICK, "--out", "m", "--batch-size", 4]
    command[command.index("--epochs") + 1] = 100_000
    code = dpnp(*command, monkeypatch=monkeypatch)
    stopped.set()
    signal.signal(signal.SIGINT, handler)
    assert code == 130
    assert "interrupted; --resume goes on from runs/m/checkpoint.pt" in capsys.readouterr().err
    assert not Path("m").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nope", "--out", "m"], "--data nope: not one of digits"),
        (["--data", "folder:/no/such", "--out", "m"], "no such folder"),
        (["--data", "digits", "--out", "m", "--epochs", "-1"], "--epochs -1: "),
        (["--data", "digits", "--out", "m", "--lr", "-1"], "--lr -1.0: "),
        (["--data", "digits", "--out", "m", "--lr", "nan"], "--lr nan: "),
        (["--data", "digits", "--out", "m", "--method", "ce2"], "--method ce2: "),
        (["--data", "digits", "--out", "m", "--backbone", "resnet9"], "--backbone resnet9: "),
        (["--data", "digits", "--out", "m", "--batch-size", "7", "--accumulate", "2"], "--batch-"),
        (["--data", "digits", "--out", "m", "--resume"], "no checkpoint to resume from"),
        (["--data", "digits", "--out", "file"], "file: exists and is no bundle"),
        (["--data", "digits", "--out", "m", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["--data", "digits", "--out", "m", "--recipe", "slow"], "--recipe slow: not one of"),
        (["--data", "digits"], "Missing option '--out'"),
        (["--out", "m"], "Missing option '--data'"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("precious")
    assert dpnp("train", *arguments, monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.splitlines()[-1].startswith("error: ")
    assert error.count("error: ") == 1
    assert "Traceback" not in error
    assert not Path("m").exists()
    assert Path("file").read_text() == "precious"


def test_evaluate_names_a_class_the_model_does_not_have(
    pictures: Path,
    toy_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    code = dpnp(
        "evaluate", toy_bundle.path, "--data", f"folder:{pictures}", monkeypatch=monkeypatch
    )
    assert code == 2
    assert "error: no class 'one'; the classes are red, green, blue" in capsys.readouterr().err


def test_a_corrupt_picture_is_named_on_stderr(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    import shutil

    monkeypatch.chdir(tmp_path)
    shutil.copytree(pictures, tmp_path / "copy")
    Image.new("RGB", (9, 9)).save(tmp_path / "copy" / "one" / "good.gif")
    (tmp_path / "copy" / "one" / "bad.jpg").write_bytes(b"\xff\xd8\xff not really")
    command = ["train", "--data", "folder:copy", *QUICK, "--out", "m", "--batch-size", 4]
    assert dpnp(*command, monkeypatch=monkeypatch) == 0
    assert "bad.jpg" in capsys.readouterr().err
    assert dpnp(*command, "--strict", "--force", monkeypatch=monkeypatch) == 2
    assert "bad.jpg" in capsys.readouterr().err


def test_an_old_value_is_taken_and_its_new_name_told(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    command = ["train", "--data", f"folder:{pictures}", *QUICK, "--out", "m", "--batch-size", 4]
    assert dpnp(*command, "--prototype-init", "arranged", monkeypatch=monkeypatch) == 0
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert note == "note: --prototype-init arranged is called --prototype-init similarity now"
    assert Bundle.load("m").manifest.training["prototype_init"] == "similarity"


def test_two_runs_become_an_ensemble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for name, lr in (("one", 0.05), ("two", 0.02)):
        code = dpnp(
            *("train", "--data", "digits", *QUICK, "--auxiliary", 1, "--lr", lr),
            *("--batch-size", 32, "--out", f"models/{name}"),
            monkeypatch=monkeypatch,
        )
        assert code == 0
    command = ["join", "runs/one", "runs/two", "--data", "digits", "--out", "models/both"]
    assert dpnp(*command, "--gallery", 2, "--half", monkeypatch=monkeypatch) == 0
    bundle = Bundle.load("models/both")
    training = bundle.manifest.training
    assert training["ensemble"] == ["runs/one", "runs/two"]
    assert (training["gallery"], training["half"]) == (2, True)
    assert len(bundle.gallery.ids) == 20
    capsys.readouterr()
    for words, problem in (
        (command, "a bundle is there already"),
        ([*command, "--force", "--gallery", -1], "--gallery -1: "),
        (["join", "runs/one", *command[3:], "--force"], "it takes two runs or more"),
    ):
        assert dpnp(*words, monkeypatch=monkeypatch) == 2
        assert problem in capsys.readouterr().err.splitlines()[-1]
