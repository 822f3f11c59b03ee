"""serving → interpret ← training: who may import whom, and who stays clear of torch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {"interpret": set(), "serving": {"interpret"}, "training": {"interpret"}}
# The rooms of each package from the top down: a file imports from its own room and those below it.
# A room is a folder, in serving/ also a file of its own.
ROOMS = {
    "training": (
        *("commands", "paper", "recipes", "export", "evaluate", "run", "model", "data", "config"),
    ),
    "interpret": (
        *("commands", "report", "figures", "edit", "batch", "explain", "trust", "retrieval"),
        *("model", "geometry", "bundle"),
    ),
    "serving": (
        *(
            "commands",
            "service",
            "http",
            "engine",
            "feedback",
            "batching",
            "about",
            "answers",
            "schemas",
            "settings",
        ),
        *("packing", "telemetry"),
    ),
}


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


def test_only_the_application_names_a_module_of_serving_in_training():
    named = re.compile(r'"serving\.[\w.]+')
    files = (ROOT / "training").rglob("*.py")
    assert [f.name for f in files if named.search(f.read_text())] == ["app.py"]
    for file in (ROOT / "interpret").rglob("*.py"):
        assert not named.search(file.read_text()), file


def modules(file: Path) -> set[str]:
    """Dotted names of all modules of this project that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] in MAY_IMPORT}


@pytest.mark.parametrize("package", ROOMS)
def test_arrows_between_rooms_go_down(package: str):
    rooms = ROOMS[package]
    for file in sorted((ROOT / package).rglob("*.py")):
        room = file.relative_to(ROOT / package).parts[0].removesuffix(".py")
        if room not in rooms:
            continue  # __init__ and __main__
        for name in modules(file):
            _, *rest = name.split(".")
            if name.startswith(f"{package}.") and rest[0] in rooms:
                assert rooms.index(rest[0]) >= rooms.index(room), f"{file} imports {name}"


@pytest.mark.parametrize("package", ROOMS)
def test_every_module_stands_in_a_room(package: str):
    files = {file.stem for file in (ROOT / package).glob("*.py")} - {"__init__", "__main__"}
    assert package == "serving" or not files
    folders = {f.name for f in (ROOT / package).iterdir() if (f / "__init__.py").exists()}
    assert folders | files == set(ROOMS[package])


def test_the_page_of_rooms_names_each_of_them_from_the_top_down():
    page = (ROOT / "docs" / "architecture.md").read_text()
    for package, text in re.findall(
        r"^## (\w+)/:.*?$(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE
    ):
        rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \|(.*)$", text, re.MULTILINE)
        assert {name for name, _ in rows} == set(ROOMS[package])
        if package != "serving":  # its rooms are named as a request meets them
            assert tuple(name for name, _ in rows) == ROOMS[package]
        for name, cells in rows:
            for file in re.findall(r"`([\w.]+\.\w+)`", cells):
                assert (ROOT / package / name / file).exists(), f"{package}/{name}/{file}"


def test_no_circle_of_imports():
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for package in MAY_IMPORT
        for file in (ROOT / package).rglob("*.py")
    }
    arrows = {name: modules(file) & files.keys() - {name} for name, file in files.items()}
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}
    assert not arrows


@pytest.mark.parametrize(
    "module",
    [
        "interpret.explain.explainer",
        "interpret.figures.explanation_figure",
        "interpret.commands.app",
    ],
)
def test_bundles_are_used_without_torch(module: str):
    code = f"import {module}, sys; assert not {{'torch', 'training'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert "torch" not in imports(ROOT / "interpret" / "explain" / "evidence.py")


def test_the_packages_are_listed_for_the_wheel():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    include = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(include) == [f"{name}*" for name in sorted(MAY_IMPORT)]
    folders = {file.parent for name in MAY_IMPORT for file in (ROOT / name).rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_a_bento_needs_what_the_project_needs_but_no_torch():
    import tomllib

    import yaml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    extras = project["optional-dependencies"]
    assert set(bento) <= {*project["dependencies"], *extras["gpu"]}
    gpu, root = (ROOT / "serving" / "bentofile.gpu.yaml", ROOT / "bentofile.yaml")
    assert gpu.read_text() == root.read_text()  # BentoML looks for it at the root
    slim = yaml.safe_load((ROOT / "serving" / "bentofile.cpu.yaml").read_text())
    either = ("faiss", "onnxruntime")  # of each a package for CPUs and one for GPUs
    common = [p for p in bento if not p.startswith(either)]
    common += [p.split(";")[0] for p in bento if p.startswith(either) and "-gpu" not in p]
    assert sorted(slim["python"]["packages"]) == sorted(common)
    assert set(slim["python"]["packages"]) <= {*project["dependencies"], *extras["cpu"]}
    assert not [line for line in bento if line.startswith(("torch", "accelerate", "captum"))]


def test_what_is_imported_stands_in_the_extra_that_names_it():
    import tomllib
    from importlib.metadata import packages_distributions

    from interpret.bundle.missing_parts import DISTRIBUTION, EXTRA_OF

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=;\[ ]", line)[0].replace("_", "-").lower() for line in requirements}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION
    extras = {name: names(lines) for name, lines in project["optional-dependencies"].items()}
    base, brings = names(project["dependencies"]), packages_distributions()
    needed = {
        *(
            name
            for package in MAY_IMPORT
            for f in (ROOT / package).rglob("*.py")
            for name in imports(f)
        )
    }
    for module in needed - set(sys.stdlib_module_names) - MAY_IMPORT.keys():
        dists = {name.replace("_", "-").lower() for name in brings[module]}
        dists |= {"pydantic"} if module == "pydantic_core" else set()  # one comes with the other
        extra = EXTRA_OF.get(module)
        assert dists & (base if extra is None else extras[extra] | extras["gpu"]), module
    assert {d for d in extras["gpu"] if "gpu" not in d} == extras["cpu"]
