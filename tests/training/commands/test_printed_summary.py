"""The end of a training run as printed: on a pipe, on narrow terminals and in old encodings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from interpret.bundle.calibration_record import Confusion
from interpret.bundle.manifest import ClassFigures
from tests.interpret.trust.simulated import calibration
from training.commands.printed_summary import print_summary
from training.evaluate.diagnosis import Measured, diagnose
from training.evaluate.label_suspects import Suspects
from training.evaluate.summary import Summary

ROOT = Path(__file__).parents[3]
COMMAND = "dpnp explain models/mine 'pictures/[red] Käfer/a long name of a picture.jpg' --out a.png"


def summary() -> Summary:
    """A model of two classes that is bad, with names that markup and old encodings stumble on."""
    measured = Measured(54, 80, 0.5, 0.72, {"epochs": 15, "weights": None}, 160)
    return Summary(
        path=Path("models/mine"),
        fingerprint="0123456789abcdef",
        classes=2,
        pictures={"train": 280, "valid": 38, "test": 80},
        split="test",
        examples=80,
        accuracy=measured.accuracy,
        interval=measured.interval,
        largest_class=0.5,
        uniform=0.5,
        train_accuracy=0.72,
        valid_accuracy=0.7,
        imbalance=4.2,
        balanced_accuracy=0.61,
        diagnosis=diagnose(measured),
        weakest=(
            ClassFigures(
                label="[red] Käfer", examples=20, answers=10, recall=0.4, precision=0.8, f1=0.53
            ),
        ),
        confusions=(Confusion(label="[red] Käfer", answer="猫\udcff", examples=12),),
        suspects=Suspects(3),
        calibration=calibration(accepted=0.5, accuracy_of_accepted=0.9),
        next_commands=(COMMAND, "dpnp serve models/mine"),
    )


def test_everything_is_said(toy_bundle, capsys: pytest.CaptureFixture[str]):
    print_summary(summary(), toy_bundle, verbose=False)
    printed = capsys.readouterr().out
    for words in (
        "models/mine  (0123456789ab): 2 classes, pictures: 280 train, 38 valid, 80 test",
        "67.5%; 95% interval 56.6% to 76.8%",
        "50.0% by the largest class, 50.0% by chance (1 of 2)",
        "72.0%; of the valid split 70.0%",
        "61.0%, the mean over classes; the largest has 4.2 times",
        "[red] Käfer (40% of 20)",
        "[red] Käfer called 猫? (12)",
        "3; dpnp audit shows them",
        "50.0% of answers accepted, 90.0% of those right",
        "This model is bad: 67.5% are right",
        "Training is at 72% too: underfitted. Try more epochs (--epochs 30)",
        f"  {COMMAND}\n",
    ):
        assert words in printed
    assert "MinSep" not in printed
    print_summary(summary(), toy_bundle, verbose=True)
    assert "MinSep, MeanSep, Std" in capsys.readouterr().out


PROGRAM = """
import typer
from interpret.bundle.bundle import Bundle
from interpret.commands.console import run
from tests.training.commands.test_printed_summary import summary
from training.commands.printed_summary import print_summary
app = typer.Typer()
app.command("show")(lambda: print_summary(summary(), None, verbose=False))
app.command("nothing")(lambda: None)
run(app)
"""


@pytest.mark.parametrize(("encoding", "columns"), [("ascii", None), ("cp1252", 40), ("utf-8", 80)])
def test_any_pipe_and_width(encoding: str, columns: int | None):
    settings = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    if columns is not None:  # as a terminal of that width
        settings |= {"FORCE_COLOR": "1", "COLUMNS": str(columns), "NO_COLOR": "1"}
    words = [sys.executable, "-c", PROGRAM, "show"]
    done = subprocess.run(words, env=settings, capture_output=True, check=True)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode(encoding)).splitlines()
    plain = "".join(lines)
    assert "underfitted" in plain
    assert "dpnp serve" in plain
    (command,) = [line for line in lines if "dpnp explain" in line]
    assert command.endswith("a long name of a picture.jpg' --out a.png")
    if columns is not None:
        others = [line for line in lines if line != command]
        assert max(map(len, others)) <= columns
