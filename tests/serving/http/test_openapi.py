"""The OpenAPI document: what a reader of /docs.json learns."""

import json
import tomllib

import httpx
import pytest
from pydantic import BaseModel

from interpret import __version__
from interpret.explain.answers import Classification, Explanation
from serving.answers import BatchAnswer, ErrorAnswer, Model, Prototypes, Reload, Similar
from serving.http.openapi_examples import ANSWERS, ERRORS, INFER_ANSWER, INFER_REQUEST
from serving.http.tensors import InferAnswer, InferRequest
from tests.serving.servers import ROOT


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict:
    response = client.get("/docs.json")
    assert response.status_code == 200
    return response.json()


def schema(document: dict, ref: dict) -> dict:
    return document["components"]["schemas"][ref["$ref"].rpartition("/")[2]]


def test_every_reference_is_defined(document: dict) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    text = json.dumps(document)
    used = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert used <= known
    assert document["openapi"] == "3.1.0"


def test_the_version_is_the_package_s(document: dict) -> None:
    assert document["info"]["version"] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "interpret.__version__"


@pytest.mark.parametrize(
    ("path", "form", "answer"),
    [
        ("/predict", {"image", "top", "probabilities"}, "Classification"),
        ("/predict/batch", {"image", "top", "probabilities"}, "BatchAnswer"),
        ("/explain", {"image", "k", "rival", "fine", "top", "probabilities"}, "Explanation"),
        ("/similar", {"image", "prototype", "k"}, "Similar"),
    ],
)
def test_forms_and_answers(document: dict, path: str, form: set[str], answer: str) -> None:
    operation = document["paths"][path]["post"]
    assert operation["description"]
    fields = schema(document, operation["requestBody"]["content"]["multipart/form-data"]["schema"])
    assert set(fields["properties"]) == form
    assert all(field["description"] for field in fields["properties"].values())
    assert fields.get("required", []) == ([] if path == "/similar" else ["image"])
    good = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert good["$ref"].endswith(f"/{answer}")
    for status in ("400", "401", "403", "413", "415", "422", "429", "500", "503"):
        bad = operation["responses"][status]
        body = schema(document, bad["content"]["application/json"]["schema"])
        assert bad["description"]
        info = schema(document, body["properties"]["error"])
        assert set(info["properties"]) == {"code", "message", "detail"}


def test_every_way_to_send_a_picture_is_told(document: dict) -> None:
    for path in ("/predict", "/explain", "/similar"):
        operation = document["paths"][path]["post"]
        content = operation["requestBody"]["content"]
        assert list(content) == [
            *("multipart/form-data", "application/json", "image/*", "application/octet-stream"),
        ]
        fields = schema(document, content["application/json"]["schema"])["properties"]
        assert "base64" in json.dumps(fields["image"])
        assert content["application/json"]["examples"]
        in_address = {each["name"] for each in operation["parameters"]}
        assert in_address == set(fields) - {"image"}
    many = document["paths"]["/predict/batch"]["post"]["requestBody"]["content"]
    assert list(many) == ["multipart/form-data", "application/json"]
    image = schema(document, many["multipart/form-data"]["schema"])["properties"]["image"]
    assert (image["type"], image["items"]["format"]) == ("array", "binary")
    assert [server["url"] for server in document["servers"]] == ["/", "/v1"]


def test_fields_say_their_range(document: dict) -> None:
    schemas = document["components"]["schemas"]
    image = schemas["ExplainForm"]["properties"]["image"]
    assert (image["type"], image["format"]) == ("string", "binary")
    k = schemas["ExplainForm"]["properties"]["k"]
    assert (k["minimum"], k["maximum"], k["default"]) == (1, 100, 6)
    assert schemas["SimilarForm"]["properties"]["k"]["default"] == 9
    assert schemas["Classification"]["properties"]["margin"]["description"]


def test_other_paths(document: dict) -> None:
    paths = document["paths"]
    assert "requestBody" not in paths["/prototypes"]["post"]
    gallery = paths["/gallery/{id}"]["get"]["responses"]
    assert set(gallery) == {"200", "304", "401", "403", "404", "503"}
    assert "image/webp" in gallery["200"]["content"]
    assert {"/livez", "/readyz", "/metrics"} <= set(paths)
    for path in ("/map", "/model", "/prototypes"):
        assert paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert "409" in paths["/admin/reload"]["post"]["responses"]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


@pytest.mark.parametrize(
    "model", [Classification, BatchAnswer, Explanation, Similar, Prototypes, Model, Reload]
)
def test_examples_are_answers(document: dict, model: type[BaseModel]) -> None:
    text = json.dumps(document)
    assert "a digit" not in text
    model.model_validate(ANSWERS[model.__name__])
    assert json.dumps(ANSWERS[model.__name__]) in text


def test_the_open_inference_protocol_is_told(document: dict, client: httpx.Client) -> None:
    paths = document["paths"]
    for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        content = paths[f"{base}/infer"]["post"]["requestBody"]["content"]
        assert list(content) == ["application/json", "application/octet-stream"]
        assert "get" in paths[base]
        assert "get" in paths[f"{base}/ready"]
    assert {"/v2", "/v2/health/live", "/v2/health/ready"} <= set(paths)
    InferRequest.model_validate(INFER_REQUEST)
    InferAnswer.model_validate(INFER_ANSWER)
    answer = client.post("/v2/models/toy/infer", json=INFER_REQUEST).json()
    assert [o["data"] for o in answer["outputs"]] == [["red"], ["accept"]]
    assert set(answer) == set(INFER_ANSWER)
    assert set(answer["outputs"][0]) == set(INFER_ANSWER["outputs"][0])


def test_examples_of_errors_are_errors() -> None:
    for example in ERRORS.values():
        assert ErrorAnswer.model_validate(example).error.message


def test_the_document_stays_the_same(client: httpx.Client, document: dict) -> None:
    assert client.get("/docs.json").json() == document
