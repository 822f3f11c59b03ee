"""What importing must not bring along, seen in a fresh process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpret.fresh_process import loaded_by


def test_interpret_stands_on_neither_training_nor_serving() -> None:
    loaded = loaded_by(
        "import interpret.explain.explainer, interpret.commands.app, "
        "interpret.figures.explanation_figure"
    )
    assert {"interpret", "numpy", "onnxruntime", "faiss", "matplotlib"} <= loaded
    assert not {"torch", "torchvision", "captum", "training", "serving", "bentoml"} & loaded


@pytest.mark.parametrize("module", ["interpret.commands.app", "interpret.bundle.errors"])
def test_the_command_line_starts_light(module: str) -> None:
    heavy = {"numpy", "onnxruntime", "faiss", "pyarrow", "matplotlib", "pydantic", "PIL", "torch"}
    assert not heavy & loaded_by(f"import {module}")


def test_explaining_draws_nothing() -> None:
    assert "matplotlib" not in loaded_by("import interpret.explain.explainer")


def test_reading_a_bundle_brings_neither_pandas_nor_cloud_file_systems() -> None:
    """40 MB of every worker's memory, and a third of a second."""
    code = "from interpret.explain.explainer import Explainer; Explainer.load('models/digits-dpnp')"
    whole = f"{code}\nimport sys\nprint({{'pandas', 'pyarrow.dataset'}} & set(sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", whole], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
