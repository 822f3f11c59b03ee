"""A new bundle without a restart, over real servers: all workers follow, a bad one is refused."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from interpret.bundle.bundle import Bundle
from tests.conftest import write_toy_bundle
from tests.serving.scraping import scrape, value
from tests.serving.servers import BEARER, RED, TOKEN, Server, lines, plain, serve, upload


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of one worker over a bundle of its own, at bundle/."""
    write_toy_bundle(tmp_path / "bundle", name="first")
    with serve(tmp_path / "log", DPNP_BUNDLE=tmp_path / "bundle", DPNP_API_TOKEN=TOKEN) as running:
        yield running


def ask(server: Server) -> dict[str, str]:
    response = httpx.post(f"{server.url}/predict", files=upload(plain(RED)), headers=BEARER)
    assert response.status_code == 200, response.text
    return dict(response.json()["model"])


def reload(server: Server) -> httpx.Response:
    return httpx.post(f"{server.url}/admin/reload", headers=BEARER, timeout=30)


def wait_until(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def test_reload_on_demand(server: Server, tmp_path: Path) -> None:
    assert reload(server).json()["swapped"] is False
    second = write_toy_bundle(tmp_path / "bundle", name="second")
    answer = reload(server)
    assert answer.status_code == 200
    model = {"name": "second", "fingerprint": second.manifest.fingerprint}
    assert answer.json()["model"] == model == ask(server)
    assert httpx.post(f"{server.url}/prototypes", headers=BEARER).json()["model"] == model
    assert httpx.get(f"{server.url}/map", headers=BEARER).json()["model"] == model


def test_a_bad_bundle_is_refused_and_the_old_one_serves_on(server: Server, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    good = shutil.copytree(bundle, tmp_path / "good")
    for name in ("model.onnx", "prototypes.npy", "manifest.json", "thumbnails.bin"):
        damage(bundle / name)
        answer = reload(server)
        assert answer.status_code == 409, name
        error = answer.json()["error"]
        assert error["code"] == "bad_bundle"
        assert name in error["message"]
        assert "first" in error["message"]
        assert ask(server)["name"] == "first"
        shutil.copy(good / name, bundle / name)
    shutil.rmtree(bundle)
    assert reload(server).status_code == 409
    assert ask(server)["name"] == "first"
    write_toy_bundle(bundle, name="third")
    assert reload(server).json()["model"]["name"] == "third"


def test_the_folder_is_watched(server: Server, tmp_path: Path) -> None:
    damage(tmp_path / "bundle" / "model.onnx")
    wait_until(lambda: bool(lines(server, level="error")))
    assert "model.onnx" in lines(server, level="error")[0]["message"]
    assert ask(server)["name"] == "first"
    shutil.rmtree(tmp_path / "bundle")
    write_toy_bundle(tmp_path / "bundle", name="second")
    wait_until(lambda: ask(server)["name"] == "second")
    assert len(lines(server, level="error")) == 1  # said once, not once a second


def test_a_link_may_be_moved(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_toy_bundle(tmp_path / name, name=name)
    link = tmp_path / "current"
    link.symlink_to("a")
    with serve(tmp_path / "log", DPNP_BUNDLE=link) as server:
        assert ask(server)["name"] == "a"
        (tmp_path / "new").symlink_to("b")
        (tmp_path / "new").replace(link)
        wait_until(lambda: ask(server)["name"] == "b")


def test_every_worker_swaps_and_no_request_is_lost(tmp_path: Path, toy_bundle: Bundle) -> None:
    shutil.copytree(toy_bundle.path, tmp_path / "bundle")
    with serve(tmp_path / "log", DPNP_BUNDLE=tmp_path / "bundle", DPNP_WORKERS=2) as server:
        answers: list[tuple[float, str]] = []  # when it was asked, and who answered
        done = threading.Event()

        def traffic() -> None:
            while not done.is_set():
                asked = time.monotonic()
                answers.append((asked, ask(server)["name"]))

        threads = [threading.Thread(target=traffic) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: value(scrape(server), "dpnp_bundle_workers", name="toy") == 2)
            write_toy_bundle(tmp_path / "bundle", name="second")
            wait_until(lambda: value(scrape(server), "dpnp_bundle_workers", name="second") == 2)
            swapped = time.monotonic()
            wait_until(lambda: sum(asked > swapped for asked, _ in answers) > 20)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert {name for asked, name in answers if asked > swapped} == {"second"}
        numbers = scrape(server)
        assert value(numbers, "dpnp_bundle_workers", name="toy") == 0
        assert value(numbers, "dpnp_reloads_total", outcome="swapped") == 2
        predicted = value(numbers, "dpnp_requests_total", endpoint="/predict", status="200")
        assert predicted == len(answers)
