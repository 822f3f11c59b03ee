"""A package that is not installed: its name, and the command that brings it."""

import subprocess
import sys
from pathlib import Path

import pytest

from interpret.bundle.missing_parts import (
    MissingPartError,
    check_parts,
    missing_part,
    named_parts,
)

HIDE = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] == PACKAGE else self.finder.find_spec(name, *rest)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def without(package: str, code: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that does not find `package`."""
    program = f"PACKAGE = {package!r}\n{HIDE}\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def command(*words: str) -> str:
    return f"sys.argv = {['dpnp', *words]!r}\nfrom training.commands.app import main\nmain()"


@pytest.mark.parametrize(
    ("package", "code", "extra"),
    [
        ("torch", command("train", "--data", "digits", "--out", "no/such/bundle"), "train"),
        ("onnxruntime", command("predict", "models/digits-dpnp", "docs/digit.png"), "cpu"),
        ("faiss", command("similar", "models/digits-dpnp", "--prototype", "3"), "cpu"),
        ("faiss", command("serve", "models/digits-dpnp"), "cpu"),
        (
            "ray",
            command(
                *("predict", "models/digits-dpnp", "docs/digit.png", "--engine", "ray"),
                *("--out", "no/such/folder"),
            ),
            "ray",
        ),
    ],
)
def test_commands_name_it_in_a_line(package: str, code: str, extra: str) -> None:
    done = without(package, code)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    wanted = f"error: {package} is not installed; pip install 'dpnp-toolkit[{extra}]' brings it"
    assert line.startswith(wanted)
    assert ("dpnp-toolkit[gpu]" in line) == (extra == "cpu" and sys.platform == "linux")


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("onnxruntime", "from interpret import Explainer"),
        ("faiss", "from interpret import Explainer"),
        ("torch", "from training import train_classifier"),
        ("captum", "import interpret.explain.attribution"),
    ],
)
def test_programs_are_told_likewise(package: str, code: str) -> None:
    done = without(package, code)
    assert f"MissingPartError: {package} is not installed" in done.stderr


def test_a_batch_job_here_needs_no_ray(tmp_path: Path) -> None:
    words = ("predict", "models/digits-dpnp", "docs/digit.png", "--out", str(tmp_path / "out"))
    done = without("ray", command(*words))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "part-000000.parquet").exists()


def test_other_missing_modules_stay_as_they_are() -> None:
    assert missing_part(ModuleNotFoundError(name="no_such_package")) is None
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), named_parts():
        import no_such_package  # noqa: F401
    with pytest.raises(MissingPartError, match="faiss"), named_parts():
        raise ModuleNotFoundError(name="faiss.swigfaiss")
    check_parts("faiss", "onnxruntime")
