"""Every endpoint over a real server: values that can be computed by hand."""

import base64
import gc
import io
import math
import warnings
from pathlib import Path

import bentoml
import httpx
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from tests.serving.servers import BLACK, GREEN, RED, Server, encode, plain, upload

ROOT2 = math.sqrt(2)


def post(client: httpx.Client, path: str, picture: bytes, **fields: object) -> dict:
    response = client.post(path, files=upload(picture), data=fields)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def halves(first: tuple[int, int, int], second: tuple[int, int, int]) -> Image.Image:
    """Left half `first`, right half `second`."""
    picture = Image.new("RGB", (4, 4), first)
    picture.paste(second, (2, 0, 4, 4))
    return picture


def test_predict(client: httpx.Client, toy_bundle: Bundle) -> None:
    answer = post(client, "/predict", plain(RED))
    red = {"label": "red", "index": 0, "distance": 0.0, "angle_deg": 0.0}
    green = {"label": "green", "index": 1, "distance": pytest.approx(ROOT2), "angle_deg": 90.0}
    assert answer == {
        "label": "red",
        "index": 0,
        "probability": pytest.approx(math.e / (math.e + 2)),
        "verdict": "accept",
        "group": None,
        "limits": {
            "ood_score": 0.0,
            "max_distance": 0.9,
            "margin": pytest.approx(ROOT2),
            "min_margin": 0.1,
            "passed": None,
        },
        "positive": red,
        "negative": green,
        "margin": pytest.approx(ROOT2),
        "novelty": 0.0,
        "prototypes": [red, green, green | {"label": "blue", "index": 2}],
        "probabilities": None,
        "model": {"name": "toy", "fingerprint": toy_bundle.manifest.fingerprint},
    }


@pytest.mark.parametrize(
    ("colour", "verdict"),
    [(RED, "accept"), ((128, 128, 0), "ambiguous"), (BLACK, "none_of_these")],
)
def test_verdict(client: httpx.Client, colour: tuple[int, int, int], verdict: str) -> None:
    assert post(client, "/predict", plain(colour))["verdict"] == verdict


def test_explain(client: httpx.Client) -> None:
    answer = post(client, "/explain", encode(halves(RED, GREEN)), k=2)
    assert answer["label"] == "red"
    assert answer["margin"] == pytest.approx(0)
    assert [e["id"] for e in answer["positive_examples"]] == [10, 13]
    assert [e["id"] for e in answer["negative_examples"]] == [11, 14]
    # The embedding is (½, ½, 0): as far from red at half strength as from green at half strength.
    assert {e["id"] for e in answer["neighbours"]} == {13, 14}
    assert answer["neighbours"][0] == {
        "id": 13,
        "label": "red",
        "distance": 0.5,
        "thumbnail": "/gallery/13",
    }
    evidence = answer["evidence"]
    assert (evidence["rows"], evidence["cols"]) == (4, 4)
    # A red location speaks 2 (red − green)·red / 16 = ⅛ for red; a green one against it.
    assert evidence["values"] == [[0.125, 0.125, -0.125, -0.125]] * 4
    overlay = Image.open(io.BytesIO(base64.b64decode(evidence["overlay_png"])))
    assert (overlay.format, overlay.size) == ("PNG", (224, 224))


def test_explain_why_not_another_class(client: httpx.Client) -> None:
    answer = post(client, "/explain", plain(RED), rival="blue")
    assert (answer["label"], answer["negative"]["label"]) == ("red", "blue")
    assert answer["margin"] == answer["negative"]["distance"] - answer["positive"]["distance"]
    assert answer["negative_examples"][0]["label"] == "blue"
    assert answer["point"] == [1, 0, 0]


def test_explain_shows_six_by_default(client: httpx.Client) -> None:
    answer = post(client, "/explain", plain(RED))
    assert len(answer["neighbours"]) == 6
    values = np.sum(answer["evidence"]["values"])
    assert values == pytest.approx(
        answer["negative"]["distance"] ** 2 - answer["positive"]["distance"] ** 2
    )


def test_similar_to_image(client: httpx.Client) -> None:
    answer = post(client, "/similar", plain(RED), k=3)
    assert answer["query"] == {"kind": "image", "label": None, "k": 3}
    assert [(e["id"], e["distance"]) for e in answer["results"]] == [
        (10, 0.0),
        (13, 0.5),
        (14, pytest.approx(math.sqrt(1.25))),
    ]


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
def test_similar_to_prototype(client: httpx.Client, form: str) -> None:
    fields = {"prototype": "green", "k": "2"}
    parts = {name: (None, value) for name, value in fields.items()}
    sent = {"data": fields} if form == "urlencoded" else {"files": parts}
    answer = client.post("/similar", **sent).json()
    assert answer["query"] == {"kind": "prototype", "label": "green", "k": 2}
    assert [(e["id"], e["label"], e["distance"]) for e in answer["results"]] == [
        (11, "green", 0.0),
        (14, "green", 0.5),
    ]


def test_k_beyond_the_gallery_shows_all(client: httpx.Client) -> None:
    assert len(post(client, "/similar", plain(RED), k=100)["results"]) == 6


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"content": b"\xff" * 300_000}])
def test_prototypes(client: httpx.Client, body: dict) -> None:
    answer = client.post("/prototypes", **body).json()
    assert answer["radius"] == 1.0
    assert [(p["label"], p["rival"]["label"]) for p in answer["prototypes"]] == [
        ("red", "green"),
        ("green", "red"),
        ("blue", "red"),
    ]
    assert answer["prototypes"][0]["rival"] == {
        "label": "green",
        "index": 1,
        "distance": pytest.approx(ROOT2),
        "angle_deg": pytest.approx(90),
    }


GREY = 32768 / 65535


def heic(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=-1, chroma=444)
    return buffer.getvalue()


FORMATS = {
    "heic": (heic(Image.new("RGB", (8, 8), RED)), 0.0),
    "heic, alpha": (heic(Image.new("RGBA", (8, 8), (0, 0, 0, 0))), ROOT2),
    "avif": (encode(Image.new("RGB", (8, 8), RED), "AVIF", quality=100), 0.0),
    "png": (encode(Image.new("RGB", (8, 8), RED)), 0.0),
    "jpeg": (encode(Image.new("RGB", (8, 8), RED), "JPEG"), 0.0),
    "cmyk jpeg": (encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), 0.0),
    "webp": (encode(Image.new("RGB", (8, 8), RED), "WEBP"), 0.0),
    "bmp": (encode(Image.new("RGB", (8, 8), RED), "BMP"), 0.0),
    "gif, first frame": (
        encode(
            Image.new("RGB", (8, 8), RED),
            "GIF",
            save_all=True,
            append_images=[Image.new("RGB", (8, 8), GREEN)],
        ),
        0.0,
    ),
    "palette": (encode(Image.new("RGB", (8, 8), RED).convert("P", palette=1)), 0.0),
    # Transparent means white: √(0 + 1 + 1) away from red.
    "palette, transparent": (
        encode(Image.new("RGB", (8, 8), RED).convert("P", palette=1, colors=2), transparency=0),
        ROOT2,
    ),
    "alpha": (encode(Image.new("RGBA", (8, 8), (0, 0, 0, 0))), ROOT2),
    "16-bit grey": (
        encode(Image.fromarray(np.full((8, 8), 32768, np.uint16))),
        math.sqrt((1 - GREY) ** 2 + 2 * GREY**2),
    ),
    "1 bit": (encode(Image.new("1", (8, 8), 1)), ROOT2),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_and_modes(client: httpx.Client, name: str) -> None:
    picture, distance = FORMATS[name]
    answer = post(client, "/predict", picture)
    away = {p["label"]: p["distance"] for p in answer["prototypes"]}
    assert away["red"] == pytest.approx(distance, abs=0.02)


def test_exif_orientation(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise: the left half becomes the top
    picture = encode(halves(RED, GREEN), exif=exif)
    values = post(client, "/explain", picture)["evidence"]["values"]
    assert values == [[0.125] * 4] * 2 + [[-0.125] * 4] * 2


@pytest.mark.parametrize("declared", ["image/jpg", "application/octet-stream", "text/plain", ""])
def test_the_declared_type_is_ignored(client: httpx.Client, declared: str) -> None:
    response = client.post("/predict", files=upload(plain(RED), "x.txt", declared))
    assert response.json()["label"] == "red"


def test_bentoml_client(server: Server, tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    picture.write_bytes(plain(RED))
    with bentoml.SyncHTTPClient(server.url) as client:
        assert client.predict(image=picture)["label"] == "red"
        assert client.explain(image=picture, k=1)["neighbours"][0]["id"] == 10
        assert client.similar(prototype="blue", k=1)["results"][0]["id"] == 12
        assert len(client.prototypes()["prototypes"]) == 3
    del client
    with warnings.catch_warnings():  # it leaves its temporary folder to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_only_loopback_is_bound(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    bound = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    assert bound == {f"0100007F:{port:04X}"}


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz", "/schema.json"])
def test_bentomls_own_routes(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200
