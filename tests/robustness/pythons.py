"""The test suite on each version of Python that pyproject.toml allows, in environments of its own.

    python -m tests.robustness.pythons [3.11] [3.12] [3.13] [--quick]

`--quick` runs the tests of imports, rooms and geometry alone. uv finds each Python on the machine,
pyenv's among them, or downloads it where that is possible; one that cannot be had is said so. An
environment is 6 GB, linked from uv's cache, and deleted afterwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tests.robustness.installs import ROOT, UV, copy_sources, registry, uv

VERSIONS = ("3.11", "3.12", "3.13")
PARALLEL = ("--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile")  # as make test
EXTRAS = "train,cpu,dev,tensorboard"
QUICK = (
    "tests/test_architecture.py",
    "tests/interpret/test_imports.py",
    "tests/interpret/geometry",
)


def main(
    versions: Annotated[list[str] | None, typer.Argument(help=", ".join(VERSIONS))] = None,
    quick: Annotated[bool, typer.Option("--quick", help="a few tests alone")] = False,
) -> None:
    os.environ.pop("PYTHONPATH", None)  # the environments must stand by themselves
    _reach_pyenv()
    failed = []
    for version in versions or VERSIONS:
        start = time.monotonic()
        result = try_python(version, QUICK if quick else ("tests",))
        print(f"{version}: {result}, {time.monotonic() - start:.0f} s", flush=True)
        if result != "passed":
            failed.append(version)
    if failed:
        sys.exit(f"not passed: {', '.join(failed)}")


def try_python(version: str, tests: tuple[str, ...]) -> str:
    """Install the project for a version of Python and run tests of it; returns the outcome."""
    found = subprocess.run(
        [UV, "python", "find", version], env=os.environ | registry(), capture_output=True, text=True
    )
    if found.returncode:
        asked = subprocess.run([UV, "python", "install", version], capture_output=True, text=True)
        if asked.returncode:
            return "no such Python on this machine, and none can be downloaded"
    with tempfile.TemporaryDirectory(prefix="dpnp-python-") as made:
        folder = Path(made)
        sources, env = folder / "sources", folder / "env"
        copy_sources(sources)
        if (pictures := ROOT.parent / "shared").is_dir():  # some tests need them
            (folder / "shared").symlink_to(pictures)
        uv("venv", "--python", version, env)
        uv("pip", "install", "--python", env / "bin" / "python", f"{sources}[{EXTRAS}]")
        # Tests start servers and run the commands of the environment that they run in.
        variables = {
            "PATH": f"{env / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(sources),
            "OMP_NUM_THREADS": "1",
        }
        words = [env / "bin" / "python", "-m", "pytest", "-q", *PARALLEL, *tests]
        done = subprocess.run(words, cwd=sources, env=os.environ | variables)
        return "passed" if done.returncode == 0 else f"pytest ended with {done.returncode}"


def _reach_pyenv() -> None:
    """Let pyenv's programs of all its versions be found: by itself it shows the chosen one's."""
    if (pyenv := shutil.which("pyenv")) is None:
        return
    listed = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True)
    os.environ["PYENV_VERSION"] = ":".join(listed.stdout.split())


if __name__ == "__main__":
    typer.run(main)
