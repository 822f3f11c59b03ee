"""The error schema, around applications that fail in every way."""

import asyncio
import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from interpret.bundle.errors import DpnpError, UnknownLabelError
from serving.http.errors import ErrorSchema, ServiceError, refusal


async def _bentoml_shape(request: Request) -> Response:
    return JSONResponse([{"error": "secret"}], int(request.path_params["status"]))


async def _imitation(request: Request) -> Response:
    return JSONResponse({"error": {"code": "secret", "message": "", "detail": None}}, 400)


async def _bug(request: Request) -> Response:
    raise ZeroDivisionError("secret")


async def _ours(request: Request) -> Response:
    return ServiceError(422, "invalid_field", "k: too large", [{"field": "k"}]).response()


async def _chunks(request: Request) -> Response:
    return StreamingResponse(iter([b"a", b"b"]), 400)


APP = ErrorSchema(
    Starlette(
        routes=[
            Route("/status/{status}", _bentoml_shape),
            Route("/imitation", _imitation),
            Route("/bug", _bug),
            Route("/ours", _ours),
            Route("/chunks", _chunks),
            Route("/good", lambda request: PlainTextResponse("good")),
        ]
    )
)


def get(path: str, method: str = "GET", app: ErrorSchema = APP) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/status/400", 400, "malformed"),
        ("/status/415", 415, "unsupported_media_type"),
        ("/status/418", 418, "internal"),
        ("/status/429", 429, "too_many_requests"),
        ("/status/500", 500, "internal"),
        ("/status/503", 503, "overloaded"),
        ("/status/504", 504, "timeout"),
        ("/chunks", 400, "malformed"),
        ("/imitation", 400, "malformed"),
        ("/bug", 500, "internal"),
        ("/ours", 422, "invalid_field"),
    ],
)
def test_every_error_has_the_schema(path: str, status: int, code: str) -> None:
    response = get(path)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"code", "message", "detail"}
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    assert "secret" not in response.text
    assert ("retry-after" in response.headers) == (status in {429, 503})


def test_our_errors_pass_as_they_are() -> None:
    assert get("/ours").json()["error"] == {
        "code": "invalid_field",
        "message": "k: too large",
        "detail": [{"field": "k"}],
    }


def test_allowed_methods_are_still_told() -> None:
    response = get("/good", "POST")
    assert response.json()["error"]["code"] == "method_not_allowed"
    assert sorted(response.headers["allow"].split(", ")) == ["GET", "HEAD"]


def test_good_answers_pass() -> None:
    assert get("/good").text == "good"


def test_a_bug_is_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def bug(*_: object) -> None:
        raise ZeroDivisionError("secret")

    response = get("/bug", app=ErrorSchema(bug))
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "GET /bug failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_errors_of_the_input() -> None:
    response = refusal(UnknownLabelError("no class 'pink'"))
    assert response.status_code == 422
    assert json.loads(response.body)["error"]["code"] == "unknown_prototype"
    assert refusal(DpnpError("some other")).status_code == 400
