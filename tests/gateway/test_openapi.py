"""The document at /openapi.json tells all that the gateway answers, whatever it is asked."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from apimodels_async.gateway import DEFAULT_API_KEY, LocalGateway
from apimodels_async.gateway.openapi import DOCUMENT

# Not among them: whether what fits the schema is accepted and what does not is refused. No schema can tell which base64
# is a picture, and a form's field is mere bytes, whatever it was meant to be.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
    unsupported_method,
]

schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Where a gateway with money enough is, whose pictures are no pictures."""
    with LocalGateway(paint=lambda **_: b"paint", latency="0/0", balance=1e9) as gateway:
        yield gateway.base_url.removesuffix("/api/v1")


@schema.parametrize()
@settings(max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True)
def test_nothing_breaks_the_gateway_and_every_answer_is_documented(
    case: "schemathesis.Case[Any]", base_url: str
) -> None:
    case.call_and_validate(
        base_url=base_url,
        headers={"Authorization": f"Bearer {DEFAULT_API_KEY}"},
        checks=CHECKS,
    )


def test_the_document_is_served_to_anybody(base_url: str) -> None:
    assert httpx.get(f"{base_url}/openapi.json", trust_env=False, timeout=60).json() == DOCUMENT
