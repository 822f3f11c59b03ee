"""The ways to send a picture, many pictures, and the stable addresses, over a real server."""

import base64
import gc
import gzip
import math
import warnings
from pathlib import Path

import bentoml
import httpx
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from serving.http.openapi_examples import REQUESTS
from tests.serving.bad_requests import bomb
from tests.serving.scraping import scrape, value
from tests.serving.servers import BLACK, GREEN, RED, ROOT, Server, encode, lines, plain, upload
from tests.serving.test_service import heic

PNG = plain(RED)
TEXT = base64.b64encode(PNG).decode()
WAYS = {
    "form": {"files": upload(PNG)},
    "body": {"content": PNG, "headers": {"content-type": "image/png"}},
    "body of another type": {"content": PNG, "headers": {"content-type": "image/jpeg"}},
    "octets": {"content": PNG, "headers": {"content-type": "application/octet-stream"}},
    "no type": {"content": PNG},
    "curl --data-binary": {
        "content": PNG,
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
    "json": {"json": {"image": TEXT}},
    "data uri": {"json": {"image": f"data:image/png;base64,{TEXT}"}},
    "packed": {
        "content": gzip.compress(PNG),
        "headers": {"content-type": "image/png", "content-encoding": "gzip"},
    },
}


@pytest.mark.parametrize("path", ["/predict", "/explain", "/similar"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gets_the_same_answer(client: httpx.Client, path: str, way: str) -> None:
    response = client.post(path, **WAYS[way])
    assert response.status_code == 200, response.text
    assert response.json() == client.post(path, **WAYS["form"]).json()


def test_fields_stand_in_the_address_beside_a_body_that_is_the_picture(
    client: httpx.Client,
) -> None:
    sent = WAYS["body"]
    answer = client.post("/explain", params={"k": 2, "rival": "blue", "top": 1}, **sent).json()
    assert (len(answer["neighbours"]), answer["negative"]["label"]) == (2, "blue")
    assert len(answer["prototypes"]) == 1
    in_json = {"image": TEXT, "k": 2, "rival": "blue", "top": 1}
    assert client.post("/explain", json=in_json).json() == answer
    similar = client.post("/similar", params={"k": 2}, **sent).json()
    assert [e["id"] for e in similar["results"]] == [10, 13]
    assert (
        client.post("/similar", json={"prototype": "red", "k": 2}).json()["results"]
        == (similar["results"])
    )


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_top_and_probabilities(client: httpx.Client, path: str) -> None:
    for top, shown in ((1, 1), (2, 2), (3, 3), (9**50, 3)):
        data = {"top": str(top), "probabilities": "true"}
        answer = client.post(path, files=upload(PNG), data=data).json()
        assert [p["label"] for p in answer["prototypes"]] == ["red", "green", "blue"][:shown]
        assert answer["negative"]["label"] == "green"
    e = math.e
    assert answer["probabilities"] == pytest.approx(
        {"red": e / (e + 2), "green": 1 / (e + 2), "blue": 1 / (e + 2)}
    )
    assert answer["probabilities"]["red"] == answer["probability"]


def parts(*pictures: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", picture) for picture in pictures]


def test_a_batch_is_answered_together_and_in_order(server: Server, client: httpx.Client) -> None:
    def inferences() -> tuple[float, float]:
        found = scrape(server)
        return value(found, "dpnp_batch_pictures_count"), value(found, "dpnp_batch_pictures_sum")

    before = inferences()
    names = [f"{i}.png" for i in range(40)]
    pictures = [(name, plain(GREEN if i % 3 else RED)) for i, name in enumerate(names)]
    answer = client.post("/predict/batch", files=parts(*pictures)).json()
    assert [result["filename"] for result in answer["results"]] == names
    assert [result["answer"]["label"] for result in answer["results"]] == [
        "green" if i % 3 else "red" for i in range(40)
    ]
    alone = client.post("/predict", files=upload(plain(GREEN))).json()
    assert answer["results"][1]["answer"] == alone
    count, total = inferences()
    assert total - before[1] == 40 + 1
    assert count - before[0] == math.ceil(40 / 16) + 1  # DPNP_MAX_BATCH pictures in each


def test_a_bad_picture_of_a_batch_fails_alone(server: Server, client: httpx.Client) -> None:
    sent = parts(
        ("red.heic", heic(Image.new("RGB", (8, 8), RED))),
        ("notes.txt", b"hello"),
        ("bomb.png", bomb()),
        ("empty.png", b""),
        ("half.png", PNG[:-20]),
        ("black.png", plain(BLACK)),
    )
    sent.insert(1, ("image", (None, "http://127.0.0.1/")))  # type: ignore[arg-type]
    response = client.post(
        "/predict/batch", files=sent, data={"top": "1"}, headers={"x-request-id": "batch-1"}
    )
    assert response.status_code == 200
    results = response.json()["results"]
    assert [(r["filename"], r["error"]["code"]) for r in results if "error" in r] == [
        (None, "invalid_field"),
        ("notes.txt", "not_an_image"),
        ("bomb.png", "too_many_pixels"),
        ("empty.png", "not_an_image"),
        ("half.png", "broken_image"),
    ]
    good = [r for r in results if "answer" in r]
    assert [(r["filename"], r["answer"]["verdict"]) for r in good] == [
        ("red.heic", "accept"),
        ("black.png", "none_of_these"),
    ]
    # Its place in the request, so that the id of a picture does not hang on the others' faults.
    assert [r["request_id"] for r in good] == ["batch-1.1", "batch-1.7"]
    fields = ({"filename", "request_id", "answer"}, {"filename", "error"})
    assert all(set(r) in fields for r in results)
    assert len(good[0]["answer"]["prototypes"]) == 1
    [line] = lines(server, request_id="batch-1")
    assert (line["pictures"], line["refused"]) == (2, 5)


def test_a_batch_in_json(client: httpx.Client) -> None:
    sent = {"image": [TEXT, "no base64!", 3], "probabilities": True}
    results = client.post("/predict/batch", json=sent).json()["results"]
    assert [r["filename"] for r in results] == [None] * 3
    assert set(results[0]["answer"]["probabilities"]) == {"red", "green", "blue"}
    assert [r["error"]["code"] for r in results[1:]] == ["invalid_field"] * 2


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"files": parts(*[("a.png", PNG)] * 101)}, 413, "too_many_pictures"),
        ({"json": {"image": [TEXT] * 101}}, 413, "too_many_pictures"),
        ({"files": {"picture": PNG}}, 422, "invalid_field"),
        ({"json": {"image": []}}, 422, "invalid_field"),
        ({"files": upload(PNG), "data": {"top": "0"}}, 422, "invalid_field"),
        (
            {"content": bytes(70 * 2**20), "headers": {"content-type": "image/png"}},
            413,
            "too_large",
        ),
    ],
)
def test_a_batch_has_bounds(client: httpx.Client, sent: dict, status: int, code: str) -> None:
    response = client.post("/predict/batch", **sent)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_picture_of_a_batch_may_be_as_large_as_one_alone(client: httpx.Client) -> None:
    large = PNG + bytes(200_000)
    results = client.post("/predict/batch", files=parts(("a", large), ("b", PNG))).json()["results"]
    assert results[0]["error"]["code"] == "too_large"
    assert results[0]["error"]["detail"] == {"limit": 200_000}
    assert results[1]["answer"]["label"] == "red"


def test_nothing_is_sent_with_get(client: httpx.Client, toy_bundle: Bundle) -> None:
    response = client.get("/prototypes")
    assert response.json() == client.post("/prototypes").json()
    tag = response.headers["etag"]
    assert tag == f'"{toy_bundle.manifest.fingerprint}"'
    assert client.get("/prototypes", headers={"if-none-match": tag}).status_code == 304


def test_the_model_tells_what_it_is_and_where_it_runs(
    client: httpx.Client, toy_bundle: Bundle
) -> None:
    response = client.get("/model")
    fingerprint = toy_bundle.manifest.fingerprint
    assert response.headers["x-model-fingerprint"] == fingerprint
    found = response.json()
    assert (found["name"], found["fingerprint"]) == ("toy", fingerprint)
    assert (found["accuracy"], found["split"], found["examples"]) == (1.0, "test", 0)
    assert (found["coverage"], found["int8"], found["changes"]) == (None, False, [])
    assert (found["device"], found["provider"]) == ("cpu", "CPUExecutionProvider")
    assert found["threads"] >= 1
    assert found["limits"] == {
        "max_bytes": 200_000,
        "max_pixels": 64_000_000,
        "max_pictures": 100,
        "max_batch_bytes": 64 * 2**20,
    }


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/predict", {"files": upload(PNG)}),
        ("POST", "/predict/batch", {"files": upload(PNG)}),
        ("POST", "/explain", {"files": upload(PNG)}),
        ("POST", "/similar", {"data": {"prototype": "red"}}),
        ("POST", "/prototypes", {}),
        ("POST", "/predict", {}),
        *(("GET", path, {}) for path in ("/prototypes", "/model", "/map", "/gallery/12")),
        *(("GET", path, {}) for path in ("/docs.json", "/readyz", "/ui/", "/predict", "/nowhere")),
        ("POST", "/admin/reload", {}),
    ],
)
def test_each_address_has_a_stable_name(
    client: httpx.Client, method: str, path: str, sent: dict
) -> None:
    headers = {"x-request-id": "same"}  # the answers of /predict/batch have it
    short, stable = (
        client.request(method, p, headers=headers, **sent) for p in (path, f"/v1{path}")
    )
    assert stable.status_code == short.status_code
    assert stable.content == short.content


def test_the_stable_name_is_no_way_around_the_rules(client: httpx.Client) -> None:
    foreign = {"x-forwarded-for": "203.0.113.7"}
    assert client.post("/v1/predict", files=upload(PNG), headers=foreign).status_code == 403
    for path in ("/v1", "/v1/v1/predict", "/v1/", "/v12/predict", "/v1predict"):
        assert client.post(path, files=upload(PNG)).status_code in (404, 405)


def test_stable_and_short_are_counted_as_one(server: Server, client: httpx.Client) -> None:
    def count() -> float:
        labels = {"endpoint": "/predict/batch", "status": "422"}
        return value(scrape(server), "dpnp_requests_total", **labels)

    client.post("/predict/batch", data={"top": "1"})
    before = count()
    client.post("/v1/predict/batch", data={"top": "1"})
    assert count() == before + 1


def test_bentoml_client_sends_many(server: Server, tmp_path: Path) -> None:
    files = []
    for name, colour in (("a", RED), ("b", GREEN)):
        files.append(tmp_path / f"{name}.png")
        files[-1].write_bytes(plain(colour))
    with bentoml.SyncHTTPClient(server.url) as client:
        results = client.predict_batch(image=files, top=1)["results"]
    assert [r["answer"]["label"] for r in results] == ["red", "green"]
    assert [r["filename"] for r in results] == ["a.png", "b.png"]
    del client
    with warnings.catch_warnings():  # it leaves its temporary folder to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_the_examples_of_the_document_are_answered(client: httpx.Client) -> None:
    paths = {"PredictForm": "/predict", "BatchForm": "/predict/batch", "ExplainForm": "/explain"}
    for form, path in paths.items():
        sent = {key: value for key, value in REQUESTS[form].items() if key != "rival"}
        assert client.post(path, json=sent).status_code == 200
    picture = (ROOT / "docs" / "cat.jpg").read_bytes()
    assert client.post("/predict", content=picture[:199_000]).status_code in (200, 415)


def test_a_grey_gif_from_a_body(client: httpx.Client) -> None:
    picture = encode(Image.new("L", (5, 9), 255), "GIF")
    answer = client.post("/predict", content=picture, headers={"content-type": "image/gif"}).json()
    assert answer["positive"]["distance"] == pytest.approx(math.sqrt(2))
