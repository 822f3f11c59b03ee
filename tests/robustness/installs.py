"""Each way to install, in a clean environment that is deleted afterwards.

    python -m tests.robustness.installs [cpu] [gpu] [lowest] [all]

`cpu` serves a bundle on CPUs, `gpu` has the packages for GPUs, `lowest` the oldest versions that
pyproject.toml allows, `all` is README's plain way (8 GB). Packages come from wherever pip is
configured to take them; uv links them from its cache.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from tests.serving.servers import ROOT, environment, serve

UV = Path(sys.executable).with_name("uv")
EXTRAS = {"cpu": "[cpu]", "gpu": "[gpu]", "lowest": "[cpu]", "all": "[train,gpu,dev]"}
# pip's settings and uv's names for them. Lists are joined by what uv splits at.
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "cert": ("SSL_CERT_FILE", " "),
}
BUNDLE, PICTURE = ROOT / "models" / "digits-dpnp", ROOT / "docs" / "digit.png"
PICTURES = {"digits-dpnp": PICTURE, "cifar10-dpnp-9d": ROOT / "docs" / "cat.jpg"}  # of bundles
TRAIN = ("train", "--data", "digits", "--out", "never", "--epochs", "1")


def main(kinds: Annotated[list[str] | None, typer.Argument(help=", ".join(EXTRAS))] = None) -> None:
    os.environ.pop("PYTHONPATH", None)  # the environments must stand by themselves
    for kind in kinds or EXTRAS:
        print(try_install(kind), flush=True)


def try_install(kind: str) -> str:
    """Install into a new environment, check it, delete it; returns a line about it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dpnp-install-") as made:
        folder = Path(made)
        # BentoML looks for uv on PATH, and would install it by pip, which uv's environments lack.
        (folder / "uv").symlink_to(UV)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
        bin_folder = install(EXTRAS[kind], folder, lowest=kind == "lowest")
        seconds = time.monotonic() - start
        told = CHECKS[kind](bin_folder, folder)
        size = subprocess.run(
            ["du", "-sm", folder / "env"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
        return f"{kind}: {size} MB, installed in {seconds:.0f} s, works{told}"


def install(extras: str, folder: Path, *, lowest: bool = False) -> Path:
    """A new environment with this project, as a wheel; returns its folder of programs."""
    sources, env = folder / "sources", folder / "env"
    copy_sources(sources, without=("models/", "tests/", "docs/"))
    uv("venv", "--python", sys.executable, env)
    versions = ["--resolution", "lowest-direct"] if lowest else []
    uv("pip", "install", *versions, "--python", env / "bin" / "python", f"{sources}{extras}")
    return env / "bin"


def copy_sources(to: Path, without: tuple[str, ...] = ()) -> None:
    """Copy the files of the working tree that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(without) or not (ROOT / name).is_file():
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)


def check_cpu(bin_folder: Path, folder: Path) -> str:
    """The slim one serves a bundle, builds it, and names what it has not."""
    _has_not(bin_folder, "torch", "captum", "timm")
    with serve(
        folder / "log", folder=folder, command=(bin_folder / "dpnp", "serve", BUNDLE)
    ) as server:
        answer = httpx.post(f"{server.url}/predict", files={"image": PICTURE.read_bytes()})
        assert answer.json()["model"]["name"] == "digits-dpnp", answer.text
        for _ in range(50):
            assert httpx.post(f"{server.url}/explain", files={"image": PICTURE.read_bytes()})
        (worker,) = psutil.Process(server.process.pid).children()
        memory = worker.memory_info().rss / 2**20
        assert httpx.get(f"{server.url}/ui/").status_code == 200
    label = answer.json()["label"]
    assert label in _dpnp(bin_folder, folder, 0, "predict", BUNDLE, PICTURE)
    _dpnp(bin_folder, folder, 0, "explain", BUNDLE, PICTURE, "--out", "why.png")
    for kind in ([], ["--cpu"]):
        assert "digits-dpnp" in _dpnp(bin_folder, folder, 0, "build", BUNDLE, *kind)
    for words in (TRAIN, ("explain", BUNDLE, PICTURE, "--out", "x.png", "--method", "gradcam")):
        said = _dpnp(bin_folder, folder, 2, *words)
        assert "pip install 'dpnp-toolkit[train]' brings it" in said, said
    # The command that is named works: the project itself is there already.
    wanted = ("pip", "install", "--dry-run", "--python", bin_folder / "python")
    assert "torch" in uv(*wanted, "dpnp-toolkit[train]")
    return f"; {memory:.0f} MB of memory in the worker"


def check_gpu(bin_folder: Path, folder: Path) -> str:
    """The packages for GPUs run without one, too; without either extra, one is named."""
    _has_not(bin_folder, "torch")
    assert "CUDAExecutionProvider" in _python(
        bin_folder, "import onnxruntime as o; print(o.get_available_providers())"
    )
    assert "label" in _dpnp(bin_folder, folder, 0, "predict", BUNDLE, PICTURE, "--json")
    uv("pip", "uninstall", "--python", bin_folder / "python", "faiss-gpu", "onnxruntime-gpu")
    said = _dpnp(bin_folder, folder, 2, "serve", BUNDLE)
    assert "pip install 'dpnp-toolkit[cpu]' brings it" in said, said
    return ""


def check_lowest(bin_folder: Path, folder: Path) -> str:
    """The oldest versions compute what those of this environment compute."""
    for name, picture in PICTURES.items():
        words = ("predict", ROOT / "models" / name, picture, "--json")
        old = json.loads(_dpnp(bin_folder, folder, 0, *words))
        new = json.loads(_dpnp(Path(sys.executable).parent, folder, 0, *words))
        _same(old, new, name)
    return ""


def _same(a: Any, b: Any, where: str) -> None:
    """Two answers are the same but for rounding; `where` names the place in them."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, pair in enumerate(zip(a, b, strict=True)):
            _same(*pair, f"{where}[{i}]")
    else:
        assert a == b or (isinstance(a, float) and abs(a - b) < 1e-3 * (1 + abs(b))), where


def check_all(bin_folder: Path, folder: Path) -> str:
    """Everything that README's plain way promises, and a training that ends."""
    code = "import torch, torchvision, onnx, onnxruntime, bentoml, captum, faiss, pytest"
    _python(bin_folder, code)
    for package in ("onnxruntime-gpu", "faiss-gpu"):
        _python(bin_folder, f"import importlib.metadata as m; m.version({package!r})")
    small = ("--backbone", "tiny", "--embedding-dim", "3", "--batch-size", "64")
    _dpnp(bin_folder, folder, 0, *TRAIN[:-4], "--out", "made", "--epochs", "1", *small)
    _dpnp(bin_folder, folder, 0, "predict", "made", PICTURE)
    return ""


CHECKS = {"cpu": check_cpu, "gpu": check_gpu, "lowest": check_lowest, "all": check_all}


def registry() -> dict[str, str]:
    """pip's settings as uv's: from its files and the environment, the last one counting."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in SETTINGS:
            variable, separator = SETTINGS[name]
            found[variable] = separator.join(str(ast.literal_eval(value)).split())
    # pip takes the best version of all indexes; uv alone the first index that has any.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match"} | found


def uv(*words: object) -> str:
    """Run uv with the registries of pip's settings; returns what it printed."""
    return _run([UV, *words], os.environ | registry(), ROOT.parent, 0)


def _dpnp(bin_folder: Path, folder: Path, code: int, *words: object) -> str:
    variables = environment(BENTOML_HOME=folder / "home")
    return _run([bin_folder / "dpnp", *words], variables, folder, code)


def _python(bin_folder: Path, code: str) -> str:
    return _run([bin_folder / "python", "-I", "-c", code], dict(os.environ), bin_folder, 0)


def _has_not(bin_folder: Path, *packages: str) -> None:
    code = f"import importlib.util as u; print([p for p in {packages} if u.find_spec(p)])"
    assert _python(bin_folder, code).strip() == "[]"


def _run(words: list[object], variables: dict[str, str], folder: Path, code: int) -> str:
    done = subprocess.run(
        [str(word) for word in words], env=variables, cwd=folder, capture_output=True, text=True
    )
    text = done.stdout + done.stderr
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, words))}: {done.returncode}\n{text}")
    return text


if __name__ == "__main__":
    typer.run(main)
