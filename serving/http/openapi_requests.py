"""The requests in the OpenAPI document: the same fields as a form, as JSON, or in the address."""

from __future__ import annotations

from typing import Any

from serving.http import openapi_examples as examples
from serving.http.forms import BYTES, JSON, MULTIPART

_PICTURE = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
_BASE64 = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}
_BESIDE = "for a picture that is the body itself; "


def json_name(form: str) -> str:
    """The name of the schema of a form's fields as JSON."""
    return form.removesuffix("Form") + "Json"


def files_as_binary(node: Any) -> Any:
    """A form's schema with files as OpenAPI has them; `type: file` is for BentoML's client."""
    return _with_files(node, _PICTURE)


def files_as_base64(node: Any) -> Any:
    """The schema of the same fields as JSON."""
    return _with_files(node, _BASE64)


def _with_files(node: Any, file: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_with_files(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "file":
        return {key: node[key] for key in node if key not in ("type", "format")} | file
    return {key: _with_files(value, file) for key, value in node.items()}


def request_body(form: str, refs: str, *, single: bool) -> dict[str, Any]:
    """The ways to send a form; `single`: it has one picture, which may be the body itself."""
    content: dict[str, Any] = {
        MULTIPART: {"schema": {"$ref": refs.format(model=form)}},
        JSON: {"schema": {"$ref": refs.format(model=json_name(form))}},
    }
    if form in examples.REQUESTS:
        content[JSON]["examples"] = {"in base64": {"value": examples.REQUESTS[form]}}
    if single:
        content |= {kind: {"schema": _PICTURE} for kind in ("image/*", BYTES)}
    return {"required": True, "content": content}


def parameters(schema: dict[str, Any], beside: str = _BESIDE) -> list[dict[str, Any]]:
    """The fields beside the picture, as they stand in the address; `beside` precedes each text."""
    found = []
    for name, field in schema["properties"].items():
        if name == "image":
            continue
        kept = {key: value for key, value in field.items() if key not in ("title", "description")}
        about = beside + field["description"]
        found.append(
            {"name": name, "in": "query", "required": False, "schema": kept, "description": about}
        )
    return found
