"""The clients of docs/serving.md, typed as they stand, against a server that asks for a token."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.serving.servers import BEARER, ROOT, TOKEN, Server, serve

TEXT = (ROOT / "docs" / "serving.md").read_text()
ADDRESS = "http://127.0.0.1:3000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients")
    feedback = folder / "feedback.db"
    with serve(folder / "log", DPNP_API_TOKEN=TOKEN, DPNP_FEEDBACK=feedback) as running:
        # The answer that the page of corrections names by its request.
        headers = BEARER | {"x-request-id": "7f21c8"}
        with (ROOT / "docs" / "cat.jpg").open("rb") as picture:
            httpx.post(f"{running.url}/predict", files={"image": picture}, headers=headers)
        yield running


def output(words: list[str]) -> str:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=os.environ | {"DPNP_API_TOKEN": TOKEN},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CURL = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("curl")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("command", CURL)
def test_curl(service: Server, command: str) -> None:
    words = shlex.split(command.replace(ADDRESS, service.url).replace("$DPNP_API_TOKEN", TOKEN))
    answer = json.loads(output(words))
    if "results" in answer:
        answer = answer["results"][0]["answer"]
    assert answer["model"]["name"] == "cifar10-dpnp-9d"
    if "/predict" in words[-1]:
        assert len(answer["prototypes"]) == (3 if "top=3" in words[-1] else 5)
        assert (answer["probabilities"] is not None) == ("probabilities=true" in words)
    if "label=cat" in words:
        assert (answer["label"], answer["answer"]) == ("cat", "cat")
    if "rival=bird" in words:
        assert answer["negative"]["label"] == "bird"


@pytest.mark.parametrize("code", blocks("python"))
def test_python(service: Server, code: str) -> None:
    program = code.replace(ADDRESS, service.url)
    program = program.replace(ADDRESS.removeprefix("http://"), service.url.removeprefix("http://"))
    assert output([sys.executable, "-c", program]).startswith("cat ")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("code", blocks("javascript"))
def test_javascript(service: Server, code: str) -> None:
    program = code.replace(ADDRESS, service.url)
    words = ["node", "--input-type=module", "--eval", program]
    assert output(words).split() == ["cat", "accept"]


def test_every_client_is_there() -> None:
    assert len(CURL) == 8
    assert len(blocks("python")) == 3
    assert len(blocks("javascript")) == 1


def test_every_setting_is_told_in_its_own_words() -> None:
    from serving.settings import Settings

    told = re.findall(r"^\| `(DPNP_\w+)` \| .+? \| (.+) \|$", TEXT, re.MULTILINE)
    assert told == [
        (f"DPNP_{name.upper()}", field.description) for name, field in Settings.model_fields.items()
    ]
