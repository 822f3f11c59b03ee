"""The Open Inference Protocol's routes in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from serving.http import openapi_examples as examples
from serving.http.open_inference import PREFIX
from serving.http.tensors import HEADER_LENGTH

_JSON, _BYTES = "application/json", "application/octet-stream"
_TAGS = ["Open Inference Protocol v2"]
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "one sentence, for people"}},
}
_MODEL = "/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_ABOUT_INFER = (
    "Classify pictures: `pixels`, fitted to the model's square, or `image`, encoded pictures of "
    "any size. A picture that cannot be read fails the request; /predict/batch answers the others."
)


def open_inference_paths(refs: str, errors: dict[int, str]) -> dict[str, Any]:
    """The paths; `errors` are the texts by status, whose bodies here are a text alone."""
    told = {status: _answer(text, _ERROR) for status, text in errors.items()}
    guarded = {str(status): told[status] for status in (401, 403, 429)}
    health = {"type": "object", "additionalProperties": {"type": "boolean"}}
    found = {
        "": _get("The server and its extensions.", {"type": "object"}, guarded),
        "/health/live": _get("Whether the process answers.", health, {}),
        "/health/ready": _get(
            "Whether the model answers where DPNP_DEVICE says.",
            health,
            {"503": _answer("not ready", health)},
        ),
    }
    missing = {"404": _answer("another model or version is served", _ERROR)}
    for base in (_MODEL, _VERSION):
        path = [_in_path("name", "the bundle's name")]
        if base == _VERSION:
            path.append(_in_path("version", "the bundle's fingerprint"))
        inside = {
            "": _get("The model's inputs and outputs.", {"type": "object"}, guarded | missing),
            "/ready": _get("Whether the model answers.", {"type": "object"}, guarded | missing),
            "/infer": _infer(refs, {str(status): each for status, each in told.items()} | missing),
        }
        found |= {base + end: item | {"parameters": path} for end, item in inside.items()}
    return {PREFIX + path: item for path, item in found.items()}


def _get(about: str, schema: dict[str, Any], errors: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": _answer("the answer", schema)} | errors
    return {"get": {"tags": _TAGS, "description": about, "responses": responses}}


def _infer(refs: str, errors: dict[str, Any]) -> dict[str, Any]:
    in_json = {"schema": {"$ref": refs.format(model="InferRequest")}}
    behind = {"schema": {"type": "string", "format": "binary"}}
    header = {
        "name": HEADER_LENGTH,
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 0},
        "description": "bytes of the JSON; the rest of the body holds tensors",
    }
    answer = {"schema": {"$ref": refs.format(model="InferAnswer")}}
    operation = {
        "tags": _TAGS,
        "description": _ABOUT_INFER,
        "parameters": [header],
        "requestBody": {
            "required": True,
            "content": {
                _JSON: in_json | {"examples": {"a picture": {"value": examples.INFER_REQUEST}}},
                _BYTES: behind,
            },
        },
        "responses": {
            "200": {
                "description": "the answer; JSON, then the tensors that were asked for as bytes",
                "content": {
                    _JSON: answer | {"examples": {"a picture": {"value": examples.INFER_ANSWER}}},
                    _BYTES: behind,
                },
            }
        }
        | errors,
    }
    return {"post": operation}


def _in_path(name: str, about: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": about}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {_JSON: {"schema": schema}}}
