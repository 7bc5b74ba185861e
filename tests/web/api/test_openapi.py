"""The description of the API: valid, complete, and true of the server.

`THEODORA_TEST_EXAMPLES` sets how many random requests of each operation are sent.
"""

import os
from typing import Any

import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

import serving
from theodora.web.api.openapi import openapi_document
from theodora.web.api.routes import OPERATIONS
from theodora.web.api.schemas import COMPONENTS, DOCUMENTS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

EXAMPLES_EACH = int(os.environ.get("THEODORA_TEST_EXAMPLES", "8"))

EXAMPLES = [
    (name, schema, example)
    for name, documents in DOCUMENTS.items()
    for schema, example in (
        (documents.request, documents.request_example),
        (documents.answer, documents.answer_example),
    )
    if schema is not None and example is not None
]


def described(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def test_the_description_is_valid_openapi(client: TestClient) -> None:
    openapi_spec_validator.validate(described(client))


def test_every_operation_is_described_at_every_path(client: TestClient) -> None:
    paths = described(client)["paths"]
    for operation in OPERATIONS:
        for path in operation.paths:
            assert paths[path][operation.method.lower()]["summary"] == operation.summary


def test_paths_are_beneath_the_prefix() -> None:
    assert b'"servers":[{"url":"/dora"}]' in openapi_document("/dora")


@pytest.mark.parametrize(("name", "schema", "example"), EXAMPLES)
def test_every_example_is_what_its_schema_says(name: str, schema: Any, example: Any) -> None:
    validator = Draft202012Validator({**schema, "components": {"schemas": COMPONENTS}})
    assert [error.message for error in validator.iter_errors(example)] == [], name


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if DOCUMENTS[operation.name].request_example],
    ids=lambda operation: operation.name,
)
def test_every_request_example_is_taken_by_the_server(client: TestClient, operation: Any) -> None:
    create = DOCUMENTS["CreateDORADeployment"]
    made = client.post("/api/v2/dora/deployment", json=create.request_example).json()
    path = operation.paths[0].replace("{id}", made["data"]["id"])
    example = DOCUMENTS[operation.name].request_example
    if operation.media_types == ("multipart/form-data",):
        parts = {name: (None, text, "application/json") for name, text in example.items()}
        answer = client.request(operation.method, path, files=parts)
    else:
        answer = client.request(operation.method, path, json=example)
    assert answer.status_code == operation.statuses[0], answer.text


def test_whatever_is_sent_is_answered_as_described(server: serving.Server) -> None:
    """Schemathesis makes requests from the description, right ones and wrong ones."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(operation.paths) for operation in OPERATIONS)
    for operation in operations:
        _ask(operation)


def _ask(operation: Any) -> None:
    @settings(
        max_examples=EXAMPLES_EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(headers=serving.KEYS, checks=CHECKS)

    ask()
