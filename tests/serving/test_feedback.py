"""POST /feedback over real servers: what is kept, what is refused, and a kill -9."""

import base64
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import pixel_hash
from interpret.edit.corrections import CorrectionsFile
from interpret.model.images import decode
from interpret.model.onnx_projection import trunk_digest
from serving.feedback import Answered, Feedback, UnknownRequestError
from serving.settings import Settings
from tests.serving.servers import (
    BEARER,
    GREEN,
    RED,
    ROOT,
    TOKEN,
    Server,
    encode,
    plain,
    serve,
    upload,
)

GREY = (128, 120, 100)


def one_colour(*colour: int) -> np.ndarray:
    return np.full((4, 4, 3), colour, np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback")


@pytest.fixture(scope="module")
def collecting(toy_bundle: Bundle, place: Path) -> Iterator[Server]:
    """A server of two workers that collects feedback, with its pictures."""
    settings = {
        "DPNP_BUNDLE": toy_bundle.path,
        "DPNP_FEEDBACK": place / "feedback.db",
        "DPNP_FEEDBACK_PICTURES": "true",
        "DPNP_API_TOKEN": TOKEN,
        "DPNP_WORKERS": 2,
    }
    with serve(place / "log", **settings) as running:
        yield running


@pytest.fixture
def digits(tmp_path: Path) -> Iterator[Server]:
    settings = {
        "DPNP_BUNDLE": ROOT / "models" / "digits-dpnp",
        "DPNP_FEEDBACK": tmp_path / "feedback.db",
    }
    with serve(tmp_path / "log", **settings) as running:
        yield running


@pytest.fixture
def client(collecting: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=collecting.url, headers=BEARER, timeout=20) as client:
        yield client


def kept(place: Path, colour: tuple[int, int, int]):
    with CorrectionsFile(place / "feedback.db") as file:
        found = {each.pixels_sha256: each for each in file.latest()}
    return found[pixel_hash(one_colour(*colour))]


def test_a_picture_with_its_label(client: httpx.Client, place: Path, toy_bundle: Bundle):
    response = client.post("/feedback", files=upload(plain(RED)), data={"label": "blue"})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["label"], answer["answer"], answer["picture"]) == ("blue", "red", True)
    assert answer["model"]["fingerprint"] == toy_bundle.manifest.fingerprint
    row = kept(place, RED)
    assert (row.label, row.answer, row.model) == ("blue", "red", toy_bundle.manifest.fingerprint)
    assert row.trunk == trunk_digest(toy_bundle.read("model.onnx"))
    assert row.features.tolist() == [1, 0, 0]  # the toy's pooled features are the mean colour
    assert np.asarray(decode(row.picture)).tolist() == one_colour(*RED).tolist()
    assert (place / "feedback.db").stat().st_mode & 0o077 == 0


def test_an_earlier_answer_by_its_request(client: httpx.Client, place: Path):
    # Of two workers, each may answer any of these.
    for number in range(6):
        colour = (number, 200, 0)
        asked = client.post("/predict", files=upload(plain(colour)))
        request = asked.headers["x-request-id"]
        response = client.post("/feedback", data={"request_id": request, "label": "red"})
        assert response.status_code == 200, response.text
        assert response.json()["answer"] == "green"
        row = kept(place, colour)
        assert (row.label, row.request_id) == ("red", request)
        np.testing.assert_allclose(row.features, np.array(colour) / 255, rtol=1e-6)


def test_the_last_label_of_a_picture_counts(client: httpx.Client, place: Path):
    for label in ("green", "red"):
        client.post("/feedback", files=upload(plain(GREEN)), data={"label": label})
    assert kept(place, GREEN).label == "red"


@pytest.mark.parametrize(
    ("fields", "status", "code", "words"),
    [
        ({"label": "red", "request_id": "none-such"}, 404, "unknown_request", "send the picture"),
        ({"label": "red"}, 422, "invalid_field", "exactly one of image and request_id"),
        ({"request_id": "x"}, 422, "invalid_field", "label"),
        ({"label": "cat", "request_id": "x"}, 422, "unknown_prototype", "no class 'cat'"),
    ],
)
def test_what_is_refused(
    client: httpx.Client, fields: dict[str, str], status: int, code: str, words: str
):
    response = client.post("/feedback", data=fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert words in error["message"]


def test_no_picture_and_no_token(client: httpx.Client, collecting: Server):
    bad = client.post("/feedback", files=upload(b"no picture"), data={"label": "red"})
    assert bad.status_code == 415
    bare = httpx.post(f"{collecting.url}/feedback", files=upload(plain(RED)), data={"label": "red"})
    assert bare.status_code == 401


def test_each_picture_of_a_batch_has_an_id(client: httpx.Client, place: Path):
    colours = [(250, 30, 30), (40, 240, 40)]
    contents = [plain(colours[0]), b"no picture", plain(colours[1])]
    parts = [("image", (f"{i}.png", each, "image/png")) for i, each in enumerate(contents)]
    sent = client.post("/predict/batch", files=parts, headers={"x-request-id": "many"})
    ids = [result.get("request_id") for result in sent.json()["results"]]
    assert ids == ["many.1", None, "many.3"]
    for request, colour, answer in zip(ids[::2], colours, ("red", "green"), strict=True):
        response = client.post("/feedback", data={"request_id": request, "label": "blue"})
        assert response.json()["answer"] == answer, response.text
        assert (kept(place, colour).label, kept(place, colour).request_id) == ("blue", request)
    whole = client.post("/feedback", data={"request_id": "many", "label": "blue"})
    error = whole.json()["error"]
    assert (whole.status_code, error["code"]) == (422, "several_pictures")
    assert "many.1" in error["message"]
    bad = client.post("/feedback", data={"request_id": "many.2", "label": "blue"})
    assert bad.json()["error"]["code"] == "unknown_request"
    alone = client.post("/predict/batch", files=parts[:1], headers={"x-request-id": "lone"})
    assert alone.json()["results"][0]["request_id"] == "lone"


def test_a_picture_of_the_open_inference_protocol_has_an_id(client: httpx.Client, place: Path):
    colours = [(251, 31, 31), (41, 241, 41)]
    data = [base64.b64encode(plain(colour)).decode() for colour in colours]
    sent = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": data}]}
    asked = client.post("/v2/models/toy/infer", json=sent, headers={"x-request-id": "v2"})
    assert asked.is_success, asked.text
    response = client.post("/feedback", data={"request_id": "v2.2", "label": "blue"})
    assert response.json()["answer"] == "green", response.text
    assert kept(place, colours[1]).request_id == "v2.2"


def test_a_finer_map_is_no_answer_to_correct(digits: Server):
    picture = (ROOT / "docs" / "digit.png").read_bytes()
    with httpx.Client(base_url=digits.url, timeout=60) as client:
        headers = {"x-request-id": "fine"}
        asked = client.post("/explain?fine=true", files=upload(picture), headers=headers).json()
        assert asked["fine_evidence"]["factor"] == 4
        response = client.post("/feedback", data={"request_id": "fine", "label": "3"})
        assert response.json()["answer"] == asked["label"], response.text


def test_a_request_id_of_two_pictures_names_neither(client: httpx.Client):
    for colour in (RED, GREY):
        client.post("/predict", files=upload(plain(colour)), headers={"x-request-id": "twice"})
    response = client.post("/feedback", data={"request_id": "twice", "label": "red"})
    assert response.json()["error"]["code"] == "several_pictures"
    for _ in range(2):  # the same picture twice, as predicted and explained
        client.post("/explain", files=upload(plain(RED)), headers={"x-request-id": "once"})
    assert client.post("/feedback", data={"request_id": "once", "label": "red"}).is_success


def test_pictures_kept_before_are_gone_once_they_are_switched_off(tmp_path: Path):
    settings = Settings(feedback=tmp_path / "f", feedback_pictures=True)
    pixels = one_colour(*GREY)
    answered = Answered("r", pixels, np.ones(3, np.float32), "red", "model", "trunk")
    assert settings.workers == 1
    before = Feedback(settings)
    before.remember(answered)
    assert before.of_request("r").picture is not None
    after = Feedback(settings.model_copy(update={"feedback_pictures": False}))
    assert after.of_request("r").pixels_sha256 == pixel_hash(pixels)
    assert after.of_request("r").picture is None
    with pytest.raises(UnknownRequestError):
        after.of_request("another")


def test_off_without_a_file(client: httpx.Client, server: Server):
    response = httpx.post(f"{server.url}/feedback", data={"label": "nonsense"})
    assert response.status_code == 404
    assert "DPNP_FEEDBACK" in response.json()["error"]["message"]


def test_a_full_file_and_a_kill_at_any_point(toy_bundle: Bundle, tmp_path: Path):
    path = tmp_path / "feedback.db"
    settings = {"DPNP_BUNDLE": toy_bundle.path, "DPNP_FEEDBACK": path, "DPNP_FEEDBACK_ROWS": 9999}
    accepted: list[int] = []
    enough = threading.Event()

    def send(first: int) -> None:
        with httpx.Client(base_url=running.url, timeout=20) as client:
            for number in range(first, 256):
                picture = encode(Image.new("RGB", (4, 4), (number, first, 0)))
                try:
                    answer = client.post("/feedback", files=upload(picture), data={"label": "blue"})
                except httpx.TransportError:
                    return
                accepted.append(answer.json()["id"])
                if len(accepted) >= 40:
                    enough.set()

    with serve(tmp_path / "log", **settings) as running:
        senders = [threading.Thread(target=send, args=(first,)) for first in range(3)]
        for sender in senders:
            sender.start()
        assert enough.wait(60)
        # While the senders go on. A worker is in a session of its own, and outlives its parent.
        workers = psutil.Process(running.process.pid).children(recursive=True)
        for process in (running.process, *workers):
            process.kill()
        for sender in senders:
            sender.join()
    with closing(sqlite3.connect(path)) as raw:
        rows = raw.execute("SELECT id, picture FROM corrections").fetchall()
    assert set(accepted) <= {number for number, _ in rows}
    assert {picture for _, picture in rows} == {None}  # no setting asked for pictures
    with CorrectionsFile(path) as file:
        full = len(file)
    with serve(tmp_path / "log", **settings | {"DPNP_FEEDBACK_ROWS": full}) as again:
        response = httpx.post(
            f"{again.url}/feedback", files=upload(plain(RED)), data={"label": "red"}
        )
        assert (response.status_code, response.json()["error"]["code"]) == (409, "feedback_full")
