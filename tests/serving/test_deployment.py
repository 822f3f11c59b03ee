"""Starting, building, overload, several workers: the service as a whole."""

import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from interpret.model.devices import cuda_device_count
from tests.conftest import write_toy_bundle
from tests.serving.servers import (
    BENTOML,
    RED,
    ROOT,
    Server,
    environment,
    free_port,
    plain,
    serve,
    upload,
)


def test_the_service_needs_no_torch() -> None:
    code = "import sys, serving.service; print(sorted({'torch', 'training'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "[]"


def refused(folder: Path, **settings: object) -> str:
    """What `bentoml serve` says when it does not start."""
    done = subprocess.run(
        [BENTOML, "serve", ".", "--port", str(free_port())],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 1
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text
    return text


def test_a_tampered_bundle_is_refused(toy_bundle: Bundle, tmp_path: Path) -> None:
    bad = shutil.copytree(toy_bundle.path, tmp_path / "bad")
    data = bytearray((bad / "prototypes.npy").read_bytes())
    data[-1] ^= 1
    (bad / "prototypes.npy").write_bytes(data)
    text = refused(ROOT, DPNP_BUNDLE=bad)
    assert str(bad / "prototypes.npy") in text
    assert "SHA-256" in text


@pytest.mark.skipif(cuda_device_count() > 0, reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_refused(toy_bundle: Bundle) -> None:
    text = refused(ROOT, DPNP_BUNDLE=toy_bundle.path, DPNP_DEVICE="cuda")
    assert "DPNP_DEVICE is cuda, but the driver shows no GPU" in text


def test_a_wrong_setting_is_named() -> None:
    assert "DPNP_WORKERS: Input should be" in refused(ROOT, DPNP_WORKERS="many")


@pytest.fixture(scope="module")
def project(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with two bundles, the default one and another."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("serving", "interpret"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("bentofile.yaml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    write_toy_bundle(folder / "models" / "cifar10-dpnp-9d", name="the shipped one")
    shutil.copytree(toy_bundle.path, folder / "models" / "mine")
    return folder


def build(project: Path, home: Path, **settings: object) -> tuple[str, list[str]]:
    """What `bentoml build` says, and the bundles in its bento."""
    done = subprocess.run(
        [BENTOML, "build"],
        cwd=project,
        env=environment(BENTOML_HOME=home, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text
    [bento] = [folder for folder in (home / "bentos" / "dpnp").iterdir() if folder.is_dir()]
    assert (bento / "src" / "serving" / "page" / "index.html").exists()
    recipe = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.\d+-slim ", recipe, re.MULTILINE)
    assert "apt-get" not in recipe  # compilers and git were a third of the slim image
    return text, [folder.name for folder in (bento / "src" / "models").iterdir()]


@pytest.fixture(scope="module")
def built(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A bento with a bundle of two, chosen by DPNP_BUNDLE, served by two workers."""
    home, empty = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("empty")
    text, packed = build(project, home, DPNP_BUNDLE="models/mine")
    assert "the bento will hold and serve toy (" in text
    assert packed == ["mine"]
    log = tmp_path_factory.mktemp("log") / "log"
    with serve(log, target="dpnp:latest", folder=empty, BENTOML_HOME=home, DPNP_WORKERS=2) as run:
        yield run


def test_a_bundle_that_would_not_be_packed_is_refused(toy_bundle: Bundle, tmp_path: Path) -> None:
    done = subprocess.run(
        [BENTOML, "build"],
        cwd=ROOT,
        env=environment(BENTOML_HOME=tmp_path, DPNP_BUNDLE=toy_bundle.path),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert f"`dpnp build {toy_bundle.path}` packs any" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_name_the_default_bundle_is_packed_alone(project: Path, tmp_path: Path) -> None:
    text, packed = build(project, tmp_path / "home")
    assert "the bento will hold and serve the shipped one (" in text
    assert packed == ["cifar10-dpnp-9d"]
    (tmp_path / "empty").mkdir()
    with serve(
        tmp_path / "log",
        target="dpnp:latest",
        folder=tmp_path / "empty",
        BENTOML_HOME=tmp_path / "home",
    ) as server:
        model = httpx.post(f"{server.url}/predict", files=upload(plain(RED))).json()["model"]
    assert model["name"] == "the shipped one"


def test_the_built_bento_serves_from_an_empty_folder(built: Server) -> None:
    for _ in range(10):
        answer = httpx.post(f"{built.url}/explain", files=upload(plain(RED))).json()
        assert (answer["label"], answer["model"]["name"]) == ("red", "toy")
    assert httpx.get(f"{built.url}/gallery/10").status_code == 200


def test_the_built_bento_brings_its_page(built: Server) -> None:
    assert "explorer" in httpx.get(f"{built.url}/ui/").text
    assert httpx.get(f"{built.url}/ui/main.js").status_code == 200


def test_requests_under_way_are_answered_before_the_end(toy_bundle: Bundle, tmp_path: Path) -> None:
    body = httpx.Request("POST", "http://localhost", files=upload(plain(RED)))
    content = body.read()
    head = "".join(f"{k}: {v}\r\n" for k, v in body.headers.items())
    with serve(tmp_path / "log", DPNP_BUNDLE=toy_bundle.path) as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(f"POST /predict HTTP/1.1\r\n{head}\r\n".encode() + content[:50])
            time.sleep(0.5)
            server.process.terminate()
            time.sleep(1)
            connection.sendall(content[50:])
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert server.process.wait(30) == 0


@pytest.fixture(scope="module")
def narrow(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with room for two requests of a kind."""
    log = tmp_path_factory.mktemp("narrow") / "log"
    with serve(
        log, DPNP_BUNDLE=toy_bundle.path, DPNP_MAX_CONCURRENCY=2, DPNP_UPLOAD_SECONDS=1.5
    ) as running:
        yield running


@contextmanager
def slow_uploads(server: Server, path: str, number: int) -> Iterator[list[socket.socket]]:
    """Requests that hold a place: their bodies never arrive in full."""
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        "Content-Type: multipart/form-data; boundary=XX\r\n\r\n--XX"
    )
    with ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(address, timeout=10))
            connection.sendall(head.encode())
            connections.append(connection)
        time.sleep(0.2)
        yield connections


def test_a_flood_of_one_kind_leaves_the_others_alone(narrow: Server) -> None:
    with slow_uploads(narrow, "/explain", 2) as held:
        response = httpx.post(f"{narrow.url}/explain", files=upload(plain(RED)))
        assert response.status_code == 429
        assert response.json()["error"]["code"] == "too_many_requests"
        assert int(response.headers["retry-after"]) >= 1
        # Predictions have threads of their own.
        assert httpx.post(f"{narrow.url}/predict", files=upload(plain(RED))).status_code == 200
        # The slow ones are told so, and their places are free again.
        for connection in held:
            assert connection.recv(12) == b"HTTP/1.1 408"
    assert httpx.post(f"{narrow.url}/explain", files=upload(plain(RED))).status_code == 200


def test_many_requests_are_answered_or_refused(narrow: Server) -> None:
    codes: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=narrow.url, timeout=20) as client:
            for _ in range(10):
                codes.append(client.post("/explain", files=upload(plain(RED))).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 80
    assert set(codes) <= {200, 429}
    assert codes.count(200) >= 10
