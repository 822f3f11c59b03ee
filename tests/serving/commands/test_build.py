"""`dpnp build` from an empty folder: the bento holds one bundle, and serves it."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from interpret.bundle.bundle import Bundle
from tests.serving.servers import RED, ROOT, environment, plain, serve, upload

DPNP = Path(sys.executable).parent / "dpnp"


def build(folder: Path, home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in (DPNP, "build", *words)],
        cwd=folder,
        env=environment(BENTOML_HOME=home),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_bento_holds_and_serves_one_bundle(
    toy_bundle: Bundle, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "mine").symlink_to(toy_bundle.path)
    home, empty = tmp_path / "home", tmp_path / "empty"
    empty.mkdir()
    flags = ["--cpu"] if kind == "cpu" else []
    done = build(tmp_path, home, "mine", *flags, "--", "--version", "one")
    assert done.returncode == 0, done.stderr
    fingerprint = toy_bundle.manifest.fingerprint
    assert f"packing mine: toy ({fingerprint[:12]})" in done.stdout
    bento = home / "bentos" / "dpnp" / "one"
    name = toy_bundle.path.name
    assert [folder.name for folder in (bento / "src" / "models").iterdir()] == [name]
    document = yaml.safe_load((bento / "bento.yaml").read_text())
    assert document["labels"]["bundle"] == f"models/{name}"
    wanted = (ROOT / "serving" / f"bentofile.{kind}.yaml").read_text()
    packages = (bento / "env" / "python" / "requirements.txt").read_text().replace('"', "'")
    assert set(yaml.safe_load(wanted)["python"]["packages"]) <= set(packages.splitlines())
    if kind == "gpu":
        return
    with serve(tmp_path / "log", target="dpnp:one", folder=empty, BENTOML_HOME=home) as server:
        answer = httpx.post(f"{server.url}/predict", files=upload(plain(RED))).json()
        assert answer["model"] == {"name": "toy", "fingerprint": fingerprint}


def test_a_bad_bundle_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "manifest.json").write_text(json.dumps({}))
    done = build(tmp_path, tmp_path / "home", "bad")
    assert done.returncode == 2
    assert "manifest.json" in done.stderr
    assert not (tmp_path / "home" / "bentos").exists()
