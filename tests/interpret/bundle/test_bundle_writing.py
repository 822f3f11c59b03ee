"""A bundle is replaced in one go: whatever happens, the old or the new one stands there whole."""

import resource
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from interpret.bundle.atomic_files import replace_folder
from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import BundleError
from tests.conftest import TOY_MODEL, toy_gallery, toy_manifest, write_toy_bundle


def write(path: Path, **changes: object) -> Bundle:
    gallery, embeddings = toy_gallery()
    arguments = {
        "manifest": toy_manifest(method="new"),
        "model": onnx.parser.parse_model(TOY_MODEL).SerializeToString(),
        "prototypes": np.eye(3, dtype=np.float32),
        "embeddings": embeddings,
        "gallery": gallery,
        "weights": b"",
    }
    return write_bundle(path, **(arguments | changes))  # type: ignore[arg-type]


def test_an_existing_bundle_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "toy"
    first = write_toy_bundle(path, method="old")
    (path / "stray").write_text("goes with the old one")
    (path / "README.md").write_text("the model card")
    second = write(path)
    assert (first.manifest.method, second.manifest.method) == ("old", "new")
    assert first.manifest.fingerprint != second.manifest.fingerprint
    assert Bundle.load(path).manifest == second.manifest
    assert not (path / "stray").exists()
    assert (path / "README.md").read_text() == "the model card"
    assert [p.name for p in path.parent.iterdir()] == ["toy"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_the_same_content_has_the_same_fingerprint(tmp_path: Path) -> None:
    assert write(tmp_path / "a").manifest.fingerprint == write(tmp_path / "b").manifest.fingerprint


def test_through_a_link_its_target_is_replaced(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "v1", method="old")
    (tmp_path / "latest").symlink_to("v1")
    write(tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert Bundle.load(tmp_path / "v1").manifest.method == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "v1"]


@pytest.mark.parametrize("kind", ["file", "folder", "empty folder"])
def test_what_is_no_bundle_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious"
    if kind == "file":
        path.write_text("data")
    else:
        path.mkdir()
    if kind == "folder":
        (path / "thesis.txt").write_text("data")
    with pytest.raises(BundleError, match=r"precious exists and is no bundle"):
        write(path)
    assert path.read_text() == "data" if kind == "file" else path.is_dir()
    assert kind != "folder" or (path / "thesis.txt").read_text() == "data"


def test_one_that_fails_verification_never_stands_there(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "toy", method="old")
    for wrong in (
        {"prototypes": np.eye(3, dtype=np.float32) * 2},
        {"embeddings": np.ones((5, 3), np.float32)},
        {"embeddings": np.full((6, 3), np.nan, np.float32)},
    ):
        with pytest.raises(BundleError):
            write(tmp_path / "toy", **wrong)
        with pytest.raises(BundleError):
            write(tmp_path / "fresh", **wrong)
    assert Bundle.load(tmp_path / "toy").manifest.method == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


def test_a_disk_that_fills_up_leaves_the_old_one(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "toy", method="old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(tmp_path / "toy", weights=bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert Bundle.load(tmp_path / "toy").manifest.method == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


KILLED_AT_EVERY_STEP = """
import os, shutil, signal, sys
from pathlib import Path
from interpret.bundle.bundle import Bundle
from tests.conftest import write_toy_bundle

folder, template = Path(sys.argv[1]), Path(sys.argv[2])
steps = 0

def die_at(step):
    def count(event, arguments):
        global steps
        changes = event.startswith("os.") or (event == "open" and "w" in str(arguments[1]))
        inside = any(str(folder) in str(argument) for argument in arguments)
        # renameat2 shows as a look-up in a library; what is removed, by its bare name.
        if (changes and inside) or event in ("ctypes.dlsym", "os.remove", "os.rmdir"):
            steps += 1
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

def child(work):
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def show():
    os.write(1, (Bundle.load(folder / "toy").manifest.method + chr(10)).encode())

for step in range(1, 1000):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder / "toy")

    def work():
        die_at(step)
        write_toy_bundle(folder / "toy", method="new")

    code = child(work)
    assert child(show) == 0
    if code == 0:
        break
    assert code == -signal.SIGKILL
"""


def test_a_kill_at_any_step_leaves_the_old_one_or_the_new(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "template", method="old")
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_STEP, tmp_path / "work", tmp_path / "template"],
        capture_output=True,
        text=True,
        timeout=300,  # a hundred processes, on a busy machine
    )
    assert done.returncode == 0, done.stderr
    seen = done.stdout.split()
    replaced = seen.index("new")
    assert replaced > 10
    assert len(seen) - replaced > 5  # kills after the exchange, while the old one is removed
    assert seen == ["old"] * replaced + ["new"] * (len(seen) - replaced)


def test_replacing_without_an_atomic_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What runs on systems without renameat2.
    monkeypatch.setattr("interpret.bundle.atomic_files._exchange", lambda a, b: False)
    write_toy_bundle(tmp_path / "toy", method="old")
    assert write(tmp_path / "toy").manifest.method == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]
    new = tmp_path / "gone"
    new.mkdir()
    replace_folder(new, tmp_path / "elsewhere")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "toy"]
