"""The OpenAPI document against the server: whatever it allows is answered as it says."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.servers import Server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def schema(hurried: Server) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(httpx.get(f"{hurried.url}/docs.json").json())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predict"),
        ("POST", "/predict/batch"),
        ("POST", "/explain"),
        ("POST", "/similar"),
        ("POST", "/prototypes"),
        ("POST", "/feedback"),
        ("POST", "/admin/reload"),
        ("GET", "/gallery/{id}"),
        ("GET", "/map"),
        ("GET", "/model"),
        ("GET", "/v2"),
        ("GET", "/v2/health/ready"),
        ("GET", "/v2/models/{name}"),
        ("POST", "/v2/models/{name}/infer"),
        ("GET", "/prototypes"),
    ],
)
def test_answers_are_as_documented(
    hurried: Server, schema: schemathesis.BaseSchema, method: str, path: str
) -> None:
    seen = []

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def check(case: schemathesis.Case) -> None:
        response = case.call(base_url=hurried.url, timeout=60)
        case.validate_response(response, checks=CHECKS)
        seen.append(response.status_code)

    check()
    assert seen
