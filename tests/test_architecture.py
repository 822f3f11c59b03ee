"""serving → interpret ← training: who may import whom, and who stays clear of torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {"interpret": set(), "serving": {"interpret"}, "training": {"interpret"}}


def imports(file: Path) -> set[str]:
    """Top-level names of all imports of a file, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_direction_of_imports(package: str):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        foreign = imports(file) & (MAY_IMPORT.keys() - {package})
        assert foreign <= MAY_IMPORT[package], file


@pytest.mark.parametrize("module", ["interpret.explanation", "interpret.figures", "interpret.cli"])
def test_bundles_are_used_without_torch(module: str):
    code = f"import {module}, sys; assert not {{'torch', 'training'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert "torch" not in imports(ROOT / "interpret" / "evidence.py")


def test_the_packages_are_listed_for_the_wheel():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(MAY_IMPORT)


def test_a_bento_needs_what_the_project_needs_but_no_torch():
    import tomllib

    import yaml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    assert set(bento) <= set(project["dependencies"])
    assert not [line for line in bento if line.startswith(("torch", "accelerate", "captum"))]
