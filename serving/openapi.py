"""The OpenAPI document: BentoML's, with our own routes described in full, errors included."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from interpret.explanation import Classification, Explanation
from serving.errors import ErrorAnswer
from serving.schemas import (
    EmptyForm,
    ExplainForm,
    PredictForm,
    Prototypes,
    Similar,
    SimilarForm,
)

_REFS = "#/components/schemas/{model}"

_ENDPOINTS = {
    "/predict": (PredictForm, Classification),
    "/explain": (ExplainForm, Explanation),
    "/similar": (SimilarForm, Similar),
    "/prototypes": (EmptyForm, Prototypes),
}
_ERRORS = {
    400: "the request is malformed: no form, or one that cannot be parsed",
    408: "the body took too long to arrive",
    413: "the body has too many bytes, or the picture too many pixels",
    415: "the body is no form, or the file no picture we read",
    422: "a field is missing or out of range, or the prototype's label unknown",
    429: "too many requests at once; Retry-After says when to try again",
    500: "something went wrong on our side",
    503: "overloaded; Retry-After says when to try again",
}
_WITHOUT_BODY = (429, 500, 503)  # what can go wrong when no body is read
_DIALECT = "3.1.0"  # pydantic's JSON Schema; 3.0 has no null type


def describe(document: dict[str, Any], about: str | None) -> dict[str, Any]:
    """BentoML's document with the paths and schemas of this service put in."""
    version = document["info"]["version"]
    info = {"title": "DPNP", "version": version, "description": about or ""}
    paths = document["paths"]
    for route, (form, answer) in _ENDPOINTS.items():
        operation = paths[route]["post"]
        operation["responses"] = _responses(answer.__name__, form is not EmptyForm)
        if form is EmptyForm:
            del operation["requestBody"]
        else:
            content = {str(form.media_type): {"schema": _ref(form.__name__)}}
            operation["requestBody"] = {"required": True, "content": content}
    paths["/gallery/{id}"] = {"get": _gallery(paths["/predict"]["post"]["tags"])}
    components = {"schemas": _schemas()}
    return document | {"openapi": _DIALECT, "info": info, "components": components}


@cache
def _schemas() -> dict[str, Any]:
    forms = [(form, "validation") for form, _ in _ENDPOINTS.values() if form is not EmptyForm]
    answers = [(answer, "serialization") for _, answer in _ENDPOINTS.values()]
    _, schema = models_json_schema(
        [*forms, *answers, (ErrorAnswer, "serialization")],  # type: ignore[list-item]
        ref_template=_REFS,
    )
    definitions: dict[str, Any] = _files_as_binary(schema["$defs"])
    return definitions


def _files_as_binary(node: Any) -> Any:
    # BentoML's client wants `type: file`; OpenAPI says it with a media type.
    if isinstance(node, list):
        return [_files_as_binary(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "file":
        return node | {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    return {key: _files_as_binary(value) for key, value in node.items()}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REFS.format(model=name)}


def _responses(answer: str, has_body: bool) -> dict[str, Any]:
    good = {"description": "the answer", "content": {"application/json": {"schema": _ref(answer)}}}
    return {"200": good} | {
        str(status): _error(text)
        for status, text in _ERRORS.items()
        if has_body or status in _WITHOUT_BODY
    }


def _error(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": _ref(ErrorAnswer.__name__)}},
    }


def _gallery(tags: list[str]) -> dict[str, Any]:
    picture = {"schema": {"type": "string", "format": "binary"}}
    return {
        "tags": tags,
        "description": "The thumbnail of a training image.",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        ],
        "responses": {
            "200": {
                "description": "the thumbnail",
                "content": {f"image/{kind}": picture for kind in ("webp", "jpeg", "png")},
            },
            "404": _error("no training image has this id"),
        },
    }
