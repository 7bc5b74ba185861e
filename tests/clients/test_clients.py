"""Official clients, unmodified but for host and keys, against a real server.

Each program sends a deployment, lists it by a search, gets it, patches it, by version too where
the client can, and deletes it. Clients of two generations read instants in two forms; the tests
see that each gets values of the kind that it is documented to have.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

import serving
from clients import workbench
from databases import ON_SQLITE

DATE_FORMS = {
    "python": {"type": "datetime", "value": "2023-08-31T14:26:14.500000+00:00"},
    "typescript": {"type": "Date", "value": "2023-08-31T14:26:14.500Z"},
    "go": {"type": "time.Time", "value": "2023-08-31T14:26:14.5Z"},
    "java": {"type": "OffsetDateTime", "value": "2023-08-31T14:26:14.500Z"},
    "rust": {
        "type": "chrono::datetime::DateTime<chrono::offset::utc::Utc>",
        "value": "2023-08-31T14:26:14.500Z",
    },
    "ruby": {"type": "Time", "value": "2023-08-31T14:26:14.500Z"},
}
INTEGER_TYPES = {
    "python": "int",
    "typescript": "number",
    "go": "int64",
    "java": "Long",
    "rust": "i64",
    "ruby": "Integer",
}
NANOSECONDS = 1693491974500000000


@dataclass(frozen=True)
class Client:
    """A version of an official client."""

    language: str
    version: str
    reads_dates: bool
    """Whether it reads instants as dates; else as integers."""
    patches: bool = True

    @property
    def started_at(self) -> Mapping[str, object]:
        if self.reads_dates:
            return DATE_FORMS[self.language]
        return {"type": INTEGER_TYPES[self.language], "value": NANOSECONDS}

    def __str__(self) -> str:
        return f"{self.language} {self.version}"


QUICK = (
    Client("python", "2.62.0", reads_dates=True),
    Client("python", "2.57.0", reads_dates=False),
)
"""Installed in seconds, so that they are asked whenever the tests run."""

SLOW = (
    Client("typescript", "1.64.0", reads_dates=True),
    Client("typescript", "1.60.0", reads_dates=False),
    Client("go", "2.67.0", reads_dates=True),
    Client("go", "2.62.0", reads_dates=False),
    Client("java", "2.59.0", reads_dates=True),
    Client("java", "2.50.0", reads_dates=False, patches=False),
    Client("rust", "0.38.0", reads_dates=True),
    Client("rust", "0.33.0", reads_dates=False),
    Client("ruby", "2.58.0", reads_dates=True),
    Client("ruby", "2.56.0", reads_dates=False),
)

every_client = pytest.mark.parametrize(
    "client",
    [
        *QUICK,
        *(pytest.param(client, marks=pytest.mark.clients) for client in SLOW),
    ],
    ids=str,
)


def environment(server: serving.Server, service: str, api_key: str) -> dict[str, str]:
    protocol, _, name = server.url.partition("://")
    return {
        "DORA_PROTOCOL": protocol,
        "DORA_NAME": name,
        "DORA_SERVICE": service,
        "DD_API_KEY": api_key,
        "DD_APP_KEY": serving.APPLICATION_KEY,
    }


@every_client
def test_a_client_does_all_that_it_can_do(client: Client, server: serving.Server) -> None:
    program = workbench.build(client.language, client.version)
    service = f"shopist-{uuid.uuid4()}"

    done = program.run(environment=environment(server, service, serving.API_KEY))

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["listed"] == [
        {
            "id": seen["created"],
            "service": service,
            "repository_id": "github.com/organization/example-repository",
            "started_at": client.started_at,
        }
    ]
    assert seen["started_at"] == client.started_at
    assert seen["status_after_delete"] == 404
    assert seen.get("change_failure") is (True if client.patches else None)
    assert seen.get("change_failure_by_version") is (False if client.reads_dates else None)


@ON_SQLITE
@every_client
def test_a_client_with_a_wrong_key_fails(client: Client, server: serving.Server) -> None:
    program = workbench.build(client.language, client.version)

    done = program.run(environment=environment(server, "shopist", "0" * 32))

    assert done.returncode == 1
    assert "Forbidden" in done.stdout + done.stderr


@pytest.mark.parametrize("client", [each for each in QUICK if each.language == "python"], ids=str)
def test_a_client_sends_and_resolves_a_failure(client: Client, server: serving.Server) -> None:
    program = workbench.python_program(client.version, "failures.py")
    service = f"shopist-{uuid.uuid4()}"

    done = program.run(environment=environment(server, service, serving.API_KEY))

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    started_at = seen["listed"].pop("started_at")
    assert started_at["type"] == client.started_at["type"]
    assert started_at["value"] in {1707842944500000000, "2024-02-13T16:49:04.500000+00:00"}
    assert seen["listed"] == {
        "id": seen["created"],
        "services": [service, "api-service"],
        "name": "Webserver is down failing all requests",
        "ended": False,
    }
    assert seen["resolved"] == seen["created"]
    assert seen["finished_at"]["type"] == client.started_at["type"]
    assert seen["status_after_delete"] == 404
    nothing = None if client.reads_dates else "the client cannot send it"
    assert seen.get("activity", "the client cannot send it") == nothing
