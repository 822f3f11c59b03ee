"""The OpenAPI document against the server: whatever it allows is answered as it says."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
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


@pytest.fixture(scope="session")
def document(hurried: Server) -> schemathesis.BaseSchema:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{hurried.url}/docs.json").json())
    schema.config.update(base_url=hurried.url)
    return schema.include(path_regex="^/(predict|explain|similar|prototypes|gallery|map|admin)")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_documented(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS)
