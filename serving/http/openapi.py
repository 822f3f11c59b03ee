"""The OpenAPI document: BentoML's, with this service's routes and their errors in full."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from interpret import __version__
from interpret.explain.answers import Classification, Explanation
from serving.answers import (
    BatchAnswer,
    ErrorAnswer,
    FeedbackKept,
    Map,
    Model,
    Prototypes,
    Reload,
    Similar,
)
from serving.http import openapi_examples as examples
from serving.http.access import STABLE
from serving.http.openapi_open_inference import open_inference_paths
from serving.http.openapi_requests import (
    files_as_base64,
    files_as_binary,
    json_name,
    parameters,
    request_body,
)
from serving.http.tensors import InferAnswer, InferRequest
from serving.schemas import (
    BatchForm,
    ExplainForm,
    FeedbackForm,
    PageForm,
    PredictForm,
    SimilarForm,
)

_REFS = "#/components/schemas/{model}"

_ENDPOINTS = {
    "/predict": (PredictForm, Classification),
    "/predict/batch": (BatchForm, BatchAnswer),
    "/explain": (ExplainForm, Explanation),
    "/similar": (SimilarForm, Similar),
    "/prototypes": (PageForm, Prototypes),
    "/feedback": (FeedbackForm, FeedbackKept),
}
_ERRORS = {
    400: "the request is malformed: its body cannot be parsed",
    401: "the service asks for a token, and the request does not bear it",
    403: "a service without a token refuses other machines, and pages of other origins",
    408: "the body took too long to arrive",
    413: "the body has too many bytes or pictures, or the picture too many pixels",
    415: "the body has another type or encoding, or is no picture in a format that is read",
    422: "a field is missing or out of range, or no class has this label",
    429: "too many requests at once; Retry-After says when to try again",
    500: "something went wrong in the service",
    503: "the service is overloaded; Retry-After says when to try again",
}
_WITHOUT_BODY = (401, 403, 429, 500, 503)  # what can go wrong when no body is read
_SECURITY: list[dict[str, list[str]]] = [{"token": []}, {}]  # {}: without, where none is set
_SERVERS = [
    {"url": "/"},
    {"url": STABLE, "description": "the same addresses, for clients that want them to stay"},
]
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
        operation["responses"] = _responses(answer.__name__, not form.bodiless)
        if form.bodiless:
            del operation["requestBody"]
            operation["parameters"] = parameters(_schemas()[form.__name__], "")
            continue
        single = form is not BatchForm
        operation["requestBody"] = request_body(form.__name__, _REFS, single=single)
        if single:
            operation["parameters"] = parameters(_schemas()[form.__name__])
    paths["/feedback"]["post"]["responses"] |= {
        "404": _error("the service collects no feedback, or remembers no such request"),
        "409": _error("the file of feedback is full"),
        "503": _error("the service is overloaded, or the disk takes no correction"),
    }
    if not feedback:
        del paths["/feedback"]
    tags = paths["/predict"]["post"]["tags"]
    paths["/gallery/{id}"] = {"get": _gallery(tags)}
    paths["/map"] = {"get": _get(tags, Map, "Prototypes and training images in 3-D.")}
    paths["/model"] = {"get": _get(tags, Model, str(Model.__doc__), cached=False)}
    page, about = paths["/prototypes"], "The classes, each with its nearest rival."
    page["get"] = _get(tags, Prototypes, about) | {"parameters": page["post"]["parameters"]}
    for operation in page.values():
        operation["responses"]["422"] = _error(_ERRORS[422])
    paths["/admin/reload"] = {"post": _reload(tags)}
    paths |= open_inference_paths(_REFS, _ERRORS)
    token = {"type": "http", "scheme": "bearer", "description": "DPNP_API_TOKEN, where it is set"}
    components = {"schemas": _schemas(), "securitySchemes": {"token": token}}
    return document | {
        "openapi": _DIALECT,
        "info": info,
        "components": components,
        "servers": _SERVERS,
        "security": _SECURITY,
    }


@cache
def _schemas() -> dict[str, Any]:
    own: list[type[BaseModel]] = [ErrorAnswer, InferAnswer]
    forms = [form for form, _ in _ENDPOINTS.values()]
    answers = (*(answer for _, answer in _ENDPOINTS.values()), Map, Model, Reload, *own)
    kinds = [(form, "validation") for form in (*forms, InferRequest)] + [
        (a, "serialization") for a in answers
    ]
    _, schema = models_json_schema(kinds, ref_template=_REFS)  # type: ignore[arg-type]
    found: dict[str, Any] = schema["$defs"]
    in_json = {json_name(f.__name__): files_as_base64(found[f.__name__]) for f in forms}
    return {name: files_as_binary(each) for name, each in found.items()} | in_json


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


def _get(
    tags: list[str], answer: type[BaseModel], about: str, *, cached: bool = True
) -> dict[str, Any]:
    unchanged = {"304": _UNCHANGED} if cached else {}
    return {
        "tags": tags,
        "description": about,
        "responses": {"200": _good(answer.__name__)} | unchanged | _guarded(),
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
            "404": _error("no training image has this id, or the bundle has no pictures"),
            "503": _error("the gallery is damaged, or remote and its place cannot be reached"),
        }
        | _guarded(),
    }
