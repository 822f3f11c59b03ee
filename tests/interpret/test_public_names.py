"""`from interpret import …`: the names that stay, and what importing the package costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import interpret
from interpret.bundle.bundle import Bundle
from interpret.explain.explainer import Explainer
from interpret.model.images import open_image
from interpret.model.predictor import Predictor
from tests.interpret.fresh_process import loaded_by

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_these() -> None:
    assert interpret.__all__ == ["Bundle", "Explainer", "Predictor", "open_image"]
    found = [getattr(interpret, name) for name in interpret.__all__]
    assert found == [Bundle, Explainer, Predictor, open_image]
    assert set(interpret.__all__) <= set(dir(interpret))


def test_another_name() -> None:
    with pytest.raises(AttributeError, match="module 'interpret' has no attribute 'Explain'"):
        _ = interpret.Explain  # type: ignore[attr-defined]


def test_importing_the_package_is_cheap_and_using_it_needs_no_torch() -> None:
    heavy = {"numpy", "onnxruntime", "faiss", "pyarrow", "pydantic", "PIL", "torch", "sklearn"}
    assert not heavy & loaded_by("import interpret")
    used = loaded_by("from interpret import Bundle, Explainer, Predictor, open_image")
    assert {"numpy", "onnxruntime"} <= used
    assert not {"torch", "sklearn", "scipy", "matplotlib"} & used


def test_the_wheel_says_that_it_is_typed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    data = project["tool"]["setuptools"]["package-data"]
    for package in ("interpret", "serving", "training"):
        assert (ROOT / package / "py.typed").exists()
        assert "py.typed" in data[package]


def test_a_type_checker_knows_the_names(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "from interpret import Explainer, open_image\n"
        "explainer = Explainer.load('bundle')\n"
        "reveal_type(explainer.predict('a.jpg'))\n"
        "reveal_type(explainer.predict(['a.jpg', b'']))\n"
        "reveal_type(explainer.explain(open_image('a.jpg')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
    )
    answers = "interpret.explain.answers"
    for shown in (
        f'"{answers}.Classification"',
        f'"list[{answers}.Classification]"',
        f'"{answers}.Explanation"',
    ):
        assert f"Revealed type is {shown}" in done.stdout, done.stdout
