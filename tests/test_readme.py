"""What the README tells a newcomer to type, typed."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.serving.servers import Server, environment, serve

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TEXT = (ROOT / "README.md").read_text()
ADDRESS = "http://127.0.0.1:3000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[str]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith(program)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`bentoml serve` with nothing said: over the default bundle."""
    with serve(tmp_path_factory.mktemp("readme") / "log") as running:
        yield running


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("command", commands("curl"))
def test_curl(server: Server, command: str):
    words = shlex.split(command.replace(ADDRESS, server.url))
    output = subprocess.run([*words, "-sS", "--fail"], cwd=ROOT, check=True, capture_output=True)
    answer = json.loads(output.stdout)
    assert "label" in answer or "results" in answer or "prototypes" in answer


@pytest.mark.parametrize("code", blocks("python"))
def test_python(server: Server, code: str):
    program = code.replace(ADDRESS, server.url)
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert output.stdout.startswith("cat")


def test_default_bundle_is_ready_in_time_and_answers_as_shown(server: Server):
    import httpx

    shown = json.loads(blocks("json")[0])
    with (ROOT / "docs" / "cat.jpg").open("rb") as picture:
        answer = httpx.post(f"{server.url}/predict", files={"image": picture}).json()
    assert set(answer) == set(shown)
    assert answer["label"] == shown["label"]
    for role in ("positive", "negative"):
        assert answer[role]["label"] == shown[role]["label"]
        assert answer[role]["distance"] == pytest.approx(shown[role]["distance"], abs=0.05)
    for name in ("margin", "novelty"):
        assert answer[name] == pytest.approx(shown[name], abs=0.05)


def test_own_pictures_from_folder_to_figures(tmp_path: Path):
    """The walk through `dpnp` on a small folder of real digits, one epoch of a small network."""
    from training.data.datasets import load_data

    split = load_data("digits").splits["train"]
    for label, name in ((3, "cat"), (7, "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in (split.labels == label).nonzero()[0][:10]:
            split.open_picture(int(i)).resize((16, 16)).save(tmp_path / f"photos/{name}/{i}.jpg")
    shutil.copy(next((tmp_path / "photos" / "cat").iterdir()), tmp_path / "photo.jpg")
    lines = [
        line for line in commands("dpnp") if line.split()[1] not in ("reproduce", "serve", "build")
    ]
    assert len(lines) == 9
    lines.remove("dpnp predict models/mine photos --out answers-by-ray --embeddings --engine ray")
    for line in lines:
        words = shlex.split(line)
        if words[1] == "train":
            words += ["--backbone", "tiny", "--epochs", "1", "--batch-size", "4"]
        result = subprocess.run(
            [BIN / words[0], *words[1:]],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, f"{line}\n{result.stderr}"
    assert (tmp_path / "explanation.png").stat().st_size > 10_000
    assert (tmp_path / "models/mine-large/manifest.json").exists()
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "cats.png").stat().st_size > 1_000


@pytest.mark.parametrize("line", commands("dpnp reproduce"))
def test_the_papers_comparison_is_planned_as_typed(line: str):
    words = [*shlex.split(line, comments=True), "--dry-run"]
    result = subprocess.run([BIN / words[0], *words[1:]], check=True, capture_output=True)
    assert {run["method"] for run in json.loads(result.stdout)} >= {"ce", "dpnp"}


def test_committed_picture_is_the_one_its_command_makes(tmp_path: Path):
    (line,) = re.findall(r"^`(dpnp explain .*)`$", TEXT, re.MULTILINE)
    words = shlex.split(line.replace("docs/explanation.png", str(tmp_path / "again.png")))
    subprocess.run([BIN / words[0], *words[1:]], cwd=ROOT, check=True, capture_output=True)
    from PIL import Image

    with (
        Image.open(tmp_path / "again.png") as again,
        Image.open(ROOT / "docs/explanation.png") as shown,
    ):
        difference = np.abs(np.asarray(again, float) - np.asarray(shown, float))
    assert difference.mean() < 1
