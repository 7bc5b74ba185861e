"""How tests ask a server: an organisation's keys, and the few requests that most tests make."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from actors import TESTER
from theodora.app import Built, build
from theodora.config import load
from theodora.events.values import STAGE_AVERAGES
from theodora.storage import Store
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF

SHOPIST: dict[str, Any] = {
    "service": "shopist",
    "env": "production",
    "team": "backend",
    "version": "v1.12.07",
    "started_at": 1693491974000000000,
    "finished_at": 1693491984000000000,
    "git": {
        "commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588",
        "repository_url": "https://github.com/organization/example-repository",
    },
    "custom_tags": ["language:java", "department:engineering", "region:us-east-1"],
}
BARE: dict[str, Any] = {"service": "shopist", "started_at": 1693491974, "finished_at": 1693491984}

DERIVED = frozenset(
    {
        *("change_failure", "deployment_type", "remediation", "recovery_time_sec"),
        *("number_of_commits", "change_lead_time"),
        *(each.name for each in STAGE_AVERAGES),
    }
)
"""Attributes that what the server finds out later may change."""

DEPLOYMENT = "/api/v2/dora/deployment"
DEPLOYMENTS = "/api/v2/dora/deployments"
FAILURE = "/api/v2/dora/failure"
FAILURES = "/api/v2/dora/failures"

LIST_TYPES = {
    DEPLOYMENTS: "dora_deployments_list_request",
    FAILURES: "dora_failures_list_request",
}
PATCH_TYPE = "dora_deployment_patch_request"

_numbers = itertools.count(1)


@dataclass
class Tenant:
    """An organisation with keys of its own at a server that other tests may use too."""

    built: Built
    client: TestClient
    organisation: str
    keys: Mapping[str, str]

    def ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self.keys, **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.ask("POST", path, **options)

    def post_body(self, body: bytes, path: str = DEPLOYMENT, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(
            "POST", path, content=body, headers={"Content-Type": "application/json", **named}
        )

    def send(self, attributes: Mapping[str, Any], path: str = DEPLOYMENT) -> Any:
        return self.post(path, json={"data": {"attributes": attributes}})

    def create(self, attributes: Mapping[str, Any], path: str = DEPLOYMENT) -> str:
        """The id of the event that this makes."""
        answer = self.send(attributes, path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["id"]

    def get(self, id_: str, path: str = DEPLOYMENTS) -> dict[str, Any]:
        """The event's attributes."""
        answer = self.ask("GET", f"{path}/{id_}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["id"] == id_
        return answer.json()["data"]["attributes"]

    def search(self, attributes: Mapping[str, Any], path: str = DEPLOYMENTS, **options: Any) -> Any:
        document = {"data": {"type": LIST_TYPES[path], "attributes": attributes}}
        return self.post(path, json=document, **options)

    def found(self, path: str = DEPLOYMENTS, **attributes: Any) -> list[dict[str, Any]]:
        """The resources that a list request finds."""
        named = {name.rstrip("_"): value for name, value in attributes.items()}
        answer = self.search({"limit": 1000, **named}, path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def ids(self, path: str = DEPLOYMENTS, **attributes: Any) -> list[str]:
        return [resource["id"] for resource in self.found(path, **attributes)]

    def patch(self, id_: str, attributes: Mapping[str, Any]) -> Any:
        document = {"data": {"id": id_, "type": PATCH_TYPE, "attributes": attributes}}
        return self.ask("PATCH", f"{DEPLOYMENTS}/{id_}", json=document)

    def patch_by_version(self, attributes: Mapping[str, Any]) -> Any:
        document = {"data": {"type": PATCH_TYPE, "attributes": attributes}}
        return self.ask("PATCH", DEPLOYMENTS, json=document)

    def delete(self, id_: str, path: str = DEPLOYMENT) -> Any:
        return self.ask("DELETE", f"{path}/{id_}")

    def everything(self) -> list[dict[str, Any]]:
        """All that the organisation has, to see that a request has changed nothing."""
        return [*self.found(), *self.found(FAILURES)]


def make_key(built: Built, organisation: str, kind: KeyKind, *permissions: str) -> str:
    """A new key's secret; it may do everything unless permissions are named."""
    return _make_key(built.store, organisation, kind, *permissions)


def _make_key(store: Store, organisation: str, kind: KeyKind, *permissions: str) -> str:
    secret = new_secret(kind)
    store.keys.add(
        organisation,
        kind,
        secret,
        name="",
        permissions=frozenset(permissions or PERMISSIONS_OF[kind]),
        now_ns=time.time_ns(),
        actor=TESTER,
    ).result()
    return secret


def make_tenant(built: Built, client: TestClient) -> Tenant:
    """A new organisation with both keys."""
    organisation, keys = make_organisation(built.store)
    return Tenant(built, client, organisation, keys)


def make_organisation(store: Store) -> tuple[str, Mapping[str, str]]:
    """The name of a new organisation, and headers with both keys of it."""
    organisation = f"tenant {next(_numbers)}"
    keys = {
        "DD-API-KEY": _make_key(store, organisation, "api"),
        "DD-APPLICATION-KEY": _make_key(store, organisation, "application"),
    }
    return organisation, keys


@contextmanager
def server_in_process(folder: Path, **settings: str) -> Iterator[tuple[Built, TestClient]]:
    """A whole server in this process, with these settings (`rate_limit_dora_read="3/60"`).

    Unless they say otherwise it derives nothing: what a request changes stays as it is.
    """
    known = {
        "derive": "no",
        "git_folder": str(folder / "git"),
        "metrics_folder": str(folder / "columns"),
    }
    settings = {**known, "database": f"sqlite:///{folder / 'theodora.db'}", **settings}
    built = build(load({f"THEODORA_{name.upper()}": settings[name] for name in settings}, {}))
    with TestClient(built.application, raise_server_exceptions=False) as client:
        yield built, client


def crossed(operations: Sequence[Any], values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Every value for the first operation; the first and the last value for all others.

    For checks that every operation shares: one operation shows that each value is checked, the
    others that they have the check at all.
    """
    first, *others = operations
    pairs = [(first, value) for value in values]
    pairs += [(operation, value) for operation in others for value in (values[0], values[-1])]
    return [(*_as_tuple(operation), *_as_tuple(value)) for operation, value in pairs]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if type(value) is tuple else (value,)


def problem(detail: str, pointer: str) -> dict[str, Any]:
    """An error object of a document that breaks a rule."""
    source = {"pointer": pointer}
    return {"status": "400", "title": "Bad Request", "detail": detail, "source": source}


def assert_refused(answer: Any, *problems: dict[str, Any]) -> None:
    """Exactly these problems, in this order."""
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/vnd.api+json"
    assert answer.json() == {"errors": list(problems)}, answer.text
