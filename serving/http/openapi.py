"""The OpenAPI document: BentoML's, with this service's routes and their errors in full."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from interpret import __version__
from interpret.explain.answers import Classification, Explanation
from serving.http import openapi_examples as examples
from serving.http.errors import ErrorAnswer
from serving.schemas import (
    EmptyForm,
    ExplainForm,
    FeedbackForm,
    FeedbackKept,
    Map,
    PredictForm,
    Prototypes,
    Reload,
    Similar,
    SimilarForm,
)

_REFS = "#/components/schemas/{model}"

_ENDPOINTS = {
    "/predict": (PredictForm, Classification),
    "/explain": (ExplainForm, Explanation),
    "/similar": (SimilarForm, Similar),
    "/prototypes": (EmptyForm, Prototypes),
    "/feedback": (FeedbackForm, FeedbackKept),
}
_ERRORS = {
    400: "the request is malformed: no form, or one that cannot be parsed",
    401: "the service asks for a token, and the request does not bear it",
    403: "a service without a token refuses other machines, and pages of other origins",
    408: "the body took too long to arrive",
    413: "the body has too many bytes, or the picture too many pixels",
    415: "the body is no form, or the file no picture in a format that is read",
    422: "a field is missing or out of range, or no class has this label",
    429: "too many requests at once; Retry-After says when to try again",
    500: "something went wrong in the service",
    503: "the service is overloaded; Retry-After says when to try again",
}
_WITHOUT_BODY = (401, 403, 429, 500, 503)  # what can go wrong when no body is read
_SECURITY: list[dict[str, list[str]]] = [{"token": []}, {}]  # {}: without, where none is set
_UNCHANGED = {"description": "the bundle is still the one that If-None-Match names by its ETag"}
_DIALECT = "3.1.0"  # pydantic's JSON Schema; 3.0 has no null type


def describe(document: dict[str, Any], about: str | None, *, feedback: bool) -> dict[str, Any]:
    """BentoML's document, completed: the routes beside its endpoints, all schemas and errors.

    `feedback`: whether the service collects it. If not, /feedback is left out.
    """
    info = {"title": "DPNP", "version": __version__, "description": about or ""}
    paths = document["paths"]
    for route, (form, answer) in _ENDPOINTS.items():
        operation = paths[route]["post"]
        operation["responses"] = _responses(answer.__name__, form is not EmptyForm)
        if form is EmptyForm:
            del operation["requestBody"]
        else:
            content = {str(form.media_type): {"schema": _ref(form.__name__)}}
            operation["requestBody"] = {"required": True, "content": content}
    paths["/feedback"]["post"]["responses"] |= {
        "404": _error("the service collects no feedback, or remembers no such request"),
        "409": _error("the file of feedback is full"),
    }
    if not feedback:
        del paths["/feedback"]
    tags = paths["/predict"]["post"]["tags"]
    paths["/gallery/{id}"] = {"get": _gallery(tags)}
    paths["/map"] = {"get": _get_map(tags)}
    paths["/admin/reload"] = {"post": _reload(tags)}
    token = {"type": "http", "scheme": "bearer", "description": "DPNP_API_TOKEN, where it is set"}
    components = {"schemas": _schemas(), "securitySchemes": {"token": token}}
    return document | {
        "openapi": _DIALECT,
        "info": info,
        "components": components,
        "security": _SECURITY,
    }


@cache
def _schemas() -> dict[str, Any]:
    forms = [(form, "validation") for form, _ in _ENDPOINTS.values() if form is not EmptyForm]
    kinds = (*(answer for _, answer in _ENDPOINTS.values()), Map, Reload)
    answers = [(answer, "serialization") for answer in kinds]
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
    return {"200": _good(answer)} | {
        str(status): _error(text, examples.ERRORS.get(status))
        for status, text in _ERRORS.items()
        if has_body or status in _WITHOUT_BODY
    }


def _good(answer: str) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _ref(answer)}
    if answer in examples.ANSWERS:
        content["examples"] = {"a picture of a cat": {"value": examples.ANSWERS[answer]}}
    return {"description": "the answer", "content": {"application/json": content}}


def _error(text: str, example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _ref(ErrorAnswer.__name__)}
    if example is not None:
        content["examples"] = {"refused": {"value": example}}
    return {"description": text, "content": {"application/json": content}}


def _guarded() -> dict[str, Any]:
    return {str(status): _error(_ERRORS[status]) for status in (401, 403)}


def _get_map(tags: list[str]) -> dict[str, Any]:
    return {
        "tags": tags,
        "description": "Prototypes and training images in three dimensions.",
        "responses": {"200": _good(Map.__name__), "304": _UNCHANGED} | _guarded(),
    }


def _reload(tags: list[str]) -> dict[str, Any]:
    return {
        "tags": tags,
        "description": "Read the bundle's folder again; a good new bundle takes over at once.",
        "responses": {
            "200": _good(Reload.__name__),
            "409": _error("the folder's bundle is bad; the old one keeps serving"),
        }
        | _guarded(),
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
            "304": _UNCHANGED,
            "404": _error("no training image has this id"),
        }
        | _guarded(),
    }
