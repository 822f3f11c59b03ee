"""The application as a whole: every command is there, its help answers at once and says enough."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from training.commands.app import build_app

COMMANDS = [
    *("train", "join", "export", "predict", "explain", "similar", "report", "evaluate"),
    *("calibrate", "audit", "add-class", "remove-class", "update-gallery", "reproduce"),
    *("serve", "build"),
]


def shown(*words: str) -> str:
    result = CliRunner().invoke(build_app(), [*words, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    return result.stdout


def test_all_commands_are_listed():
    text = shown()
    assert [name for name in COMMANDS if f" {name} " not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_s_help_has_an_example(command: str):
    assert f"Example: dpnp {command} " in shown(command)


def test_the_common_options_come_first():
    text = shown("train")
    panels = ["Options", "Pictures", "Method and loss", "Optimisation", "Bundle", "Run"]
    places = [text.index(f"─ {panel} ─") for panel in panels]
    assert places == sorted(places)
    first = text[places[0] : places[1]]
    common = ("data", "out", "backbone", "weights", "epochs", "recipe", "resume", "force")
    assert all(f" --{name} " in first for name in common)
    assert first.count(" --") < 20
    assert " --lambda-pos " in text[places[2] : places[3]]


def test_the_command_line_starts_without_what_is_heavy():
    code = "import training.commands.app, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not {"numpy", "torch", "onnxruntime", "pyarrow", "matplotlib", "PIL"} & loaded
