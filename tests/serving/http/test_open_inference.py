"""The Open Inference Protocol v2 over a real server, asked by Triton's own client."""

import base64
import warnings
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

with warnings.catch_warnings():  # the client's own imports warn
    warnings.simplefilter("ignore")
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
    from tritonclient.utils import InferenceServerException

from interpret.bundle.bundle import Bundle
from tests.serving.bad_requests import bomb
from tests.serving.servers import BEARER, BLACK, GREEN, RED, TOKEN, Server, encode, plain, serve
from tests.serving.test_service import heic

PIXELS = np.zeros((3, 4, 4, 3), np.uint8)
PIXELS[0, :, :, 0] = PIXELS[1, :, :, 1] = 255  # red, green, black
PICTURES = [
    plain(RED),
    encode(Image.new("RGB", (9, 7), GREEN), "WEBP", lossless=True),
    heic(Image.new("RGB", (8, 8), BLACK)),
]
LABELS = [b"red", b"green", b"red"]
VERDICTS = [b"accept", b"accept", b"none_of_these"]


@pytest.fixture(scope="module")
def triton(server: Server) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(server.url.removeprefix("http://"), network_timeout=30)
    yield client
    client.close()


def pixels_input(binary: bool) -> InferInput:
    tensor = InferInput("pixels", list(PIXELS.shape), "UINT8")
    return tensor.set_data_from_numpy(PIXELS, binary_data=binary)


def pictures_input(binary: bool, column: bool = False) -> InferInput:
    # In JSON a picture is text: base64.
    sent = PICTURES if binary else [base64.b64encode(picture) for picture in PICTURES]
    array = np.array(sent, object).reshape((-1, 1) if column else (-1,))
    tensor = InferInput("image", list(array.shape), "BYTES")
    return tensor.set_data_from_numpy(array, binary_data=binary)


def texts(array: np.ndarray) -> list[bytes]:
    return [each if isinstance(each, bytes) else str(each).encode() for each in array.tolist()]


def test_health_and_metadata(triton: InferenceServerClient, toy_bundle: Bundle) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("toy")
    assert not triton.is_model_ready("other")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    found = triton.get_model_metadata("toy")
    fingerprint = toy_bundle.manifest.fingerprint
    assert (found["name"], found["versions"]) == ("toy", [fingerprint])
    assert triton.get_model_metadata("toy", fingerprint) == found
    assert found["inputs"] == [
        {"name": "pixels", "datatype": "UINT8", "shape": [-1, 4, 4, 3]},
        {"name": "image", "datatype": "BYTES", "shape": [-1]},
    ]
    shapes = {each["name"]: (each["datatype"], each["shape"]) for each in found["outputs"]}
    assert shapes["label"] == ("BYTES", [-1])
    assert shapes["embedding"] == shapes["distances"] == ("FP32", [-1, 3])
    assert shapes["evidence"] == ("FP32", [-1, 3, 4, 4])


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", ["pixels", "pictures", "column of pictures"])
def test_infer(triton: InferenceServerClient, toy_bundle: Bundle, kind: str, binary: bool) -> None:
    if kind == "pixels":
        tensor = pixels_input(binary)
    else:
        tensor = pictures_input(binary, column=kind.startswith("column"))
    found = triton.infer("toy", [tensor], request_id="seven")
    answer = found.get_response()
    assert (answer["model_name"], answer["id"]) == ("toy", "seven")
    assert answer["model_version"] == toy_bundle.manifest.fingerprint
    assert texts(found.as_numpy("label")) == LABELS
    assert found.as_numpy("index").tolist() == [0, 1, 0]
    assert texts(found.as_numpy("verdict")) == VERDICTS
    colours = PIXELS[:, 0, 0] / np.float32(255)
    np.testing.assert_allclose(found.as_numpy("embedding"), colours, atol=0.01)
    expected = np.sqrt([[0, 2, 2], [2, 0, 2], [1, 1, 1]])
    np.testing.assert_allclose(found.as_numpy("distances"), expected, atol=0.01)
    np.testing.assert_allclose(found.as_numpy("probabilities").sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(found.as_numpy("ood_score"), [0, 0, 1], atol=0.01)
    np.testing.assert_allclose(found.as_numpy("max_distance"), 0.9)
    assert found.as_numpy("evidence") is None  # only on request


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_that_are_asked_for(triton: InferenceServerClient, binary: bool) -> None:
    outputs = [InferRequestedOutput(name, binary_data=binary) for name in ("evidence", "verdict")]
    found = triton.infer("toy", [pixels_input(True)], outputs=outputs)
    assert [each["name"] for each in found.get_response()["outputs"]] == ["evidence", "verdict"]
    assert texts(found.as_numpy("verdict")) == VERDICTS
    np.testing.assert_allclose(
        found.as_numpy("evidence"), PIXELS.transpose(0, 3, 1, 2) / np.float32(255), rtol=1e-6
    )


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_packed_request(triton: InferenceServerClient, packing: str) -> None:
    found = triton.infer("toy", [pixels_input(True)], request_compression_algorithm=packing)
    assert texts(found.as_numpy("label")) == LABELS


def test_more_pictures_than_an_inference_takes(triton: InferenceServerClient) -> None:
    many = np.repeat(PIXELS[:2], 50, 0)
    tensor = InferInput("pixels", [100, 4, 4, 3], "UINT8").set_data_from_numpy(many)
    assert texts(triton.infer("toy", [tensor]).as_numpy("label")) == [b"red"] * 50 + [b"green"] * 50
    tensor = InferInput("pixels", [101, 4, 4, 3], "UINT8").set_data_from_numpy(
        np.zeros((101, 4, 4, 3), np.uint8)
    )
    with pytest.raises(InferenceServerException, match="more than 100 pictures"):
        triton.infer("toy", [tensor])


def test_the_error_is_a_text_as_the_protocol_has_it(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        triton.infer("other", [pixels_input(True)])
    assert caught.value.status() == "404"
    assert caught.value.message() == "no model 'other' is served here; 'toy' is"
    bad = np.array([PICTURES[0], b"hello"], object)
    with pytest.raises(InferenceServerException, match=r"picture 1: not a picture") as caught:
        triton.infer("toy", [InferInput("image", [2], "BYTES").set_data_from_numpy(bad)])
    assert caught.value.status() == "415"


URL = "/v2/models/toy/infer"
FLAT = [0] * 48


def tensor(name: str, datatype: str, shape: list, data: object, **more: object) -> dict:
    sent = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return {"json": {"inputs": [sent], **more}}


def behind(content: bytes, size: int, header: str | None = None) -> dict:
    sent = {"name": "image", "datatype": "BYTES", "shape": [1]}
    sent["parameters"] = {"binary_data_size": size}
    request = httpx.Request("POST", "http://x", json={"inputs": [sent]}).read()
    length = str(len(request)) if header is None else header
    return {"content": request + content, "headers": {"inference-header-content-length": length}}


GOOD = tensor("pixels", "UINT8", [1, 4, 4, 3], FLAT)
REFUSED = {
    "no body": ({}, 422),
    "no json": ({"content": b"\xff\xfe"}, 422),
    "deep": ({"content": b'{"inputs":' + b"[" * 100_000}, 422),
    "no input": ({"json": {"inputs": []}}, 422),
    "two inputs": ({"json": {"inputs": GOOD["json"]["inputs"] * 2}}, 422),
    "another name": (tensor("x", "UINT8", [1, 4, 4, 3], FLAT), 422),
    "another type": (tensor("pixels", "FP32", [1, 4, 4, 3], FLAT), 422),
    "wrong type": (tensor("image", "UINT8", [1, 4, 4, 3], FLAT), 422),
    "wrong size": (tensor("pixels", "UINT8", [1, 5, 5, 3], FLAT), 422),
    "no shape": (tensor("pixels", "UINT8", [], FLAT), 422),
    "no pictures": (tensor("pixels", "UINT8", [0, 4, 4, 3], []), 422),
    "too few": (tensor("pixels", "UINT8", [2, 4, 4, 3], FLAT), 422),
    "negative shape": (tensor("pixels", "UINT8", [-1, 4, 4, 3], FLAT), 422),
    "huge shape": (tensor("pixels", "UINT8", [10**30, 4, 4, 3], FLAT), 413),
    "no bytes": (tensor("pixels", "UINT8", [1, 4, 4, 3], [*FLAT[1:], 256]), 422),
    "below zero": (tensor("pixels", "UINT8", [1, 4, 4, 3], [*FLAT[1:], -1]), 422),
    "fractions": (tensor("pixels", "UINT8", [1, 4, 4, 3], [*FLAT[1:], 0.5]), 422),
    "huge numbers": (tensor("pixels", "UINT8", [1, 4, 4, 3], [*FLAT[1:], 10**40]), 422),
    "truths": (tensor("pixels", "UINT8", [1, 4, 4, 3], [True] * 48), 422),
    "texts": (tensor("pixels", "UINT8", [1, 4, 4, 3], ["0"] * 48), 422),
    "ragged": (tensor("pixels", "UINT8", [1, 4, 4, 3], [[0], [0, 1]]), 422),
    "an object": (tensor("pixels", "UINT8", [1, 4, 4, 3], {"a": 1}), 422),
    "no data": (tensor("pixels", "UINT8", [1, 4, 4, 3], None), 422),
    "no base64": (tensor("image", "BYTES", [1], ["http://x/"]), 422),
    "no text": (tensor("image", "BYTES", [1], [7]), 422),
    "null": (tensor("image", "BYTES", [1], None), 422),
    "empty text": (tensor("image", "BYTES", [1], [""]), 422),
    "fewer pictures": (tensor("image", "BYTES", [2], ["eA=="]), 422),
    "a cube of pictures": (tensor("image", "BYTES", [1, 1, 1], ["eA=="]), 422),
    "a bomb": (tensor("image", "BYTES", [1], [base64.b64encode(bomb()).decode()]), 413),
    "one output twice": (
        GOOD | {"json": GOOD["json"] | {"outputs": [{"name": "label"}, {"name": "label"}]}},
        422,
    ),
    "unknown output": (GOOD | {"json": GOOD["json"] | {"outputs": [{"name": "x"}]}}, 422),
    "classification": (
        {
            "json": GOOD["json"]
            | {"outputs": [{"name": "label", "parameters": {"classification": 3}}]}
        },
        422,
    ),
    "no length": (behind(b"", 0, "x"), 400),
    "length beyond": (behind(b"", 0, "9999"), 400),
    "huge length": (behind(b"", 0, "9" * 5000), 400),
    "size differs": (behind(b"\1\0\0\0x", 6), 422),
    "cut element": (behind(b"\2\0\0\0x", 5), 422),
    "cut length": (behind(b"\2\0", 2), 422),
    "large json": ({"content": b" " * 300_000}, 413),
    "brotli": ({"content": b"x", "headers": {"content-encoding": "br"}}, 415),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(client: httpx.Client, name: str) -> None:
    sent, status = REFUSED[name]
    response = client.post(URL, **sent)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    assert isinstance(response.json()["error"], str)


def test_what_the_routing_refuses_has_the_protocol_s_shape_too(client: httpx.Client) -> None:
    for method, path, status in (
        ("GET", URL, 405),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/toy/versions/1", 404),
        ("GET", "/v2/models/other/ready", 404),
    ):
        response = client.request(method, path)
        assert response.status_code == status
        assert isinstance(response.json()["error"], str)
    foreign = client.get("/v2", headers={"x-forwarded-for": "203.0.113.7"})
    assert foreign.status_code == 403
    assert isinstance(foreign.json()["error"], str)


def test_nested_data_as_well(client: httpx.Client) -> None:
    sent = tensor("pixels", "UINT8", list(PIXELS.shape), PIXELS.tolist())
    outputs = {o["name"]: o for o in client.post(URL, **sent).json()["outputs"]}
    assert outputs["label"]["data"] == ["red", "green", "red"]
    assert outputs["distances"]["shape"] == [3, 3]
    assert len(outputs["distances"]["data"]) == 9


def test_with_a_token(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("token") / "log"
    with serve(log, DPNP_BUNDLE=toy_bundle.path, DPNP_API_TOKEN=TOKEN) as running:
        client = InferenceServerClient(running.url.removeprefix("http://"), network_timeout=30)
        assert client.is_server_live()  # health is open, as it is to orchestrators
        assert client.is_server_ready()
        with pytest.raises(InferenceServerException, match="Authorization: Bearer"):
            client.get_model_metadata("toy")
        found = client.infer("toy", [pixels_input(True)], headers=dict(BEARER))  # it adds to them
        assert texts(found.as_numpy("label")) == LABELS
        client.close()
