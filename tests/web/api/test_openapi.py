"""The description of the API: valid, complete, and true of the server.

`THEODORA_TEST_EXAMPLES` sets how many random requests of each operation are sent; `make slow` sends
more than `make test`.
"""

import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

import serving
from asking import Tenant
from databases import KINDS, ON_SQLITE, Databases
from lengths import short_and_long
from theodora.web.api.documents import DOCUMENTS, EXAMPLES
from theodora.web.api.openapi import openapi_document
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.body import MULTIPART_MEDIA_TYPES
from theodora.web.http.operations import Operation
from web.api.test_pull_requests import tell as tell_pull_requests

_SET = os.environ.get("THEODORA_TEST_EXAMPLES")
SHORT = {"sqlite": int(_SET or "4"), "postgresql": int(_SET or "2")}
LONG = dict.fromkeys(KINDS, int(_SET or "8"))
"""How many requests are made of each operation, by the kind of database."""

WITH_EXAMPLES = pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if DOCUMENTS[operation.name].example_file],
    ids=lambda operation: operation.name,
)
BEFORE = {
    "GetDORADeploymentVerdict": "PutDORADeploymentVerdict",
    "GetDORAServiceSettings": "PutDORAServiceSettings",
    "ListDORAServices": "PutDORAServiceSettings",
}
"""The operation that an example shows the effect of."""


def described(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


@ON_SQLITE
def test_the_description_is_valid_openapi(client: TestClient) -> None:
    import openapi_spec_validator  # noqa: PLC0415  Every process of tests would load it.

    openapi_spec_validator.validate(described(client))


@ON_SQLITE
def test_every_operation_is_described_at_every_path(client: TestClient) -> None:
    paths = described(client)["paths"]
    for operation in OPERATIONS:
        for path in operation.paths:
            assert paths[path][operation.method.lower()]["summary"] == operation.summary


def test_paths_are_beneath_the_prefix() -> None:
    assert b'"servers":[{"url":"/dora"}]' in openapi_document("/dora")


@WITH_EXAMPLES
def test_every_example_is_what_its_schema_says(operation: Operation) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    document = msgspec.json.decode(openapi_document(""))
    found = document["paths"][operation.paths[0]][operation.method.lower()]
    answers = [answer for status, answer in found["responses"].items() if status < "300"]
    contents = [
        content
        for each in (found.get("requestBody", {}), *answers)
        for content in each.get("content", {}).values()
        if "example" in content
    ]
    assert contents
    for content in contents:
        validator = Draft202012Validator(
            {**content["schema"], "components": document["components"]}
        )
        assert [error.message for error in validator.iter_errors(content["example"])] == []


@WITH_EXAMPLES
def test_every_example_is_what_the_server_takes_and_answers(
    tenant: Tenant, operation: Operation
) -> None:
    made = send_example(tenant, operation_named("CreateDORADeployment")).json()["data"]["id"]
    failed = send_example(tenant, operation_named("CreateDORAFailure")).json()["data"]["id"]
    id_ = failed if "Failure" in operation.name else made
    if "PullRequest" in operation.name:
        tell_pull_requests(tenant)
        id_ = "github.com:acme:shop:1"
    if operation.name == "PatchDORANotificationReceiver":
        id_ = send_example(tenant, operation_named("CreateDORANotificationReceiver")).json()[
            "data"
        ]["id"]
    if before := BEFORE.get(operation.name):
        send_example(tenant, operation_named(before), id_)
    answer = send_example(tenant, operation, id_)
    assert answer.status_code == operation.statuses[0], answer.text
    found = answer.json() if answer.content else None
    assert_alike(found, DOCUMENTS[operation.name].example.answer)


def assert_alike(found: Any, example: Any) -> None:
    """That two documents have the same members with values of the same types."""
    match found, example:
        case dict(), dict():
            assert list(found) == list(example)
            for name in found:
                assert_alike(found[name], example[name])
        case [first, *_], [shown, *_]:
            assert_alike(first, shown)
        case (None, _) | (_, None) | (int() | float(), int() | float()):
            # Null is what has not been derived yet.
            pass
        case _:
            assert type(found) is type(example)


def send_example(tenant: Tenant, operation: Operation, id_: str = "") -> Any:
    path = operation.paths[0].replace("{id}", id_).replace("{service}", "shopist")
    example = DOCUMENTS[operation.name].example.request
    if example is None:
        window = {"from": "2023-08-01", "interval": "month", "as_of": "2023-09-01"}
        return tenant.ask(operation.method, path, params=window if "metrics" in path else {})
    if operation.media_types == MULTIPART_MEDIA_TYPES:
        parts = {name: (None, text, "application/json") for name, text in example.items()}
        return tenant.ask(operation.method, path, files=parts)
    return tenant.ask(operation.method, path, json=example)


def operation_named(name: str) -> Operation:
    return next(operation for operation in OPERATIONS if operation.name == name)


def test_examples_are_files_of_operations() -> None:
    used = {documents.example_file for documents in DOCUMENTS.values()} - {None}
    assert {file.stem for file in EXAMPLES.iterdir()} == used


@short_and_long("examples", SHORT, LONG)
def test_whatever_is_sent_is_answered_as_described(
    databases: Databases, server: serving.Server, examples: dict[str, int]
) -> None:
    """Schemathesis makes requests from the description, right ones and wrong ones."""
    import schemathesis  # noqa: PLC0415  Every process of tests would load it.

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(operation.paths) for operation in OPERATIONS)
    for operation in operations:
        _ask(operation, examples[databases.kind])


def _ask(operation: Any, examples: int) -> None:
    from fuzz.workflows import CHECKS  # noqa: PLC0415

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(headers=serving.KEYS, checks=CHECKS)

    ask()
