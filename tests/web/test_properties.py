"""Laws of the API: no document brings it down, and what is sent is what comes back."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from asking import (
    BARE,
    DEPLOYMENT,
    DEPLOYMENTS,
    DERIVED,
    FAILURE,
    FAILURES,
    LIST_TYPES,
    PATCH_TYPE,
    SHOPIST,
    Tenant,
    make_tenant,
)
from databases import ON_POSTGRESQL, ON_SQLITE
from theodora.app import Built
from theodora.web.api.routes import ANY_STATUS, OPERATIONS
from theodora.web.http.body import JSON_MEDIA_TYPES
from theodora.web.http.operations import Operation

law = settings(
    deadline=None,
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
few_examples = settings(law, max_examples=8)


@pytest.fixture(scope="module")
def shared(shared_server: tuple[Built, TestClient]) -> Tenant:
    """An organisation that all examples of this file share."""
    tenant = make_tenant(*shared_server)
    tenant.create({**SHOPIST, "id": OWN_ID})
    return tenant


OWN_ID = "0123456789abcdef"

numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), 10**400, 1e300, 1693491974, 0.5, -0.0])
)
texts = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["", "\ud800", "\x00", "production", "2023-08-31T14:26:14Z", "-started_at", "service:(a OR"]
)
leaves = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

FAILED_SHOP = {"services": ["shopist"], "started_at": 1693491974, "team": "backend"}
SOUND: dict[str, dict[str, Any]] = {
    "CreateDORADeployment": {"attributes": SHOPIST},
    "CreateDORAFailure": {"attributes": FAILED_SHOP},
    "CreateDORAIncident": {"attributes": FAILED_SHOP},
    "ListDORADeployments": {"type": LIST_TYPES[DEPLOYMENTS], "attributes": {"limit": 3}},
    "ListDORAFailures": {"type": LIST_TYPES[FAILURES], "attributes": {"limit": 3}},
    "PatchDORADeployment": {"type": PATCH_TYPE, "attributes": {"change_failure": True}},
    "PatchDORADeploymentByVersion": {
        "type": PATCH_TYPE,
        "attributes": {
            "service": "shopist",
            "env": "production",
            "version": "v1.12.07",
            "change_failure": True,
        },
    },
}
MEMBERS = (
    *("id", "service", "services", "env", "team", "version", "started_at", "finished_at", "git"),
    *("custom_tags", "name", "severity", "from", "to", "limit", "sort", "query"),
    *("change_failure", "remediation"),
)
READS_JSON = [row for row in OPERATIONS if row.media_types == JSON_MEDIA_TYPES]


@st.composite
def nearly_sound(draw: st.DrawFn, operation: Operation) -> Any:
    """A document of the operation with a few members that are anything."""
    data = SOUND.get(operation.name, {"attributes": {}})
    spoilt = draw(st.dictionaries(st.sampled_from(MEMBERS), anything, min_size=1, max_size=3))
    return {"data": {**data, "attributes": {**data["attributes"], **spoilt}}}


def assert_well_formed(answer: Any, operation: Operation) -> None:
    """An answer that the operation documents, with errors in their one form."""
    assert answer.status_code in {*operation.statuses, *ANY_STATUS, 413, 415}, answer.text
    assert answer.status_code < 500, answer.text
    if answer.status_code < 400:
        return
    errors = answer.json()["errors"]
    assert 1 <= len(errors) <= 50
    for error in errors:
        assert list(error) == [
            name for name in ("status", "title", "detail", "source") if name in error
        ]
        assert error["status"] == str(answer.status_code)
        if "source" in error:
            assert len(error["source"]) == 1


def ask(tenant: Tenant, operation: Operation, document: Any) -> Any:
    path = operation.paths[0].replace("{id}", OWN_ID)
    headers = {"Content-Type": "application/json"}
    return tenant.ask(operation.method, path, content=json.dumps(document), headers=headers)


@ON_POSTGRESQL
@pytest.mark.parametrize("operation", READS_JSON, ids=lambda operation: operation.name)
@law
@given(data=st.data())
def test_no_document_whatsoever_brings_an_operation_down(
    shared: Tenant, operation: Operation, data: st.DataObject
) -> None:
    document = data.draw(anything | nearly_sound(operation))
    assert_well_formed(ask(shared, operation, document), operation)


@ON_SQLITE
@pytest.mark.parametrize("operation", READS_JSON, ids=lambda operation: operation.name)
@law
@given(body=st.binary(max_size=60))
def test_no_bytes_whatsoever_bring_an_operation_down(
    shared: Tenant, operation: Operation, body: bytes
) -> None:
    path = operation.paths[0].replace("{id}", OWN_ID)
    headers = {"Content-Type": "application/json"}
    answer = shared.ask(operation.method, path, content=body, headers=headers)
    assert_well_formed(answer, operation)


@law
@given(query=st.text(max_size=60))
def test_no_query_whatsoever_brings_a_list_down(shared: Tenant, query: str) -> None:
    operation = next(row for row in OPERATIONS if row.name == "ListDORADeployments")
    assert_well_formed(shared.search({"query": query}), operation)


@law
@given(id_=st.text(min_size=1, max_size=40), params=st.dictionaries(st.text(max_size=9), st.text()))
def test_no_id_and_no_parameters_bring_a_get_down(
    shared: Tenant, id_: str, params: dict[str, str]
) -> None:
    path = f"{DEPLOYMENTS}/{quote(id_, safe='')}"
    assert shared.ask("GET", path, params=params).status_code in {200, 400, 404}


# Sound documents

kept_texts = st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30
).filter(lambda text: text == text.strip())
tags = st.builds("{}:{}".format, st.from_regex(r"[a-zé ]{1,9}", fullmatch=True), kept_texts).filter(
    lambda tag: tag == tag.strip()
)
gits = st.fixed_dictionaries(
    {
        "commit_sha": st.from_regex(r"[0-9a-f]{40,64}", fullmatch=True),
        "repository_url": st.from_regex(
            r"https://[a-z]{1,9}\.com/[A-Za-z0-9_./-]{1,20}", fullmatch=True
        ),
    }
)


@st.composite
def deployments(draw: st.DrawFn) -> dict[str, Any]:
    """A sound deployment, with any of the attributes that may be left out."""
    ends = sorted(draw(st.lists(st.integers(10**17, 2**63 - 1), min_size=2, max_size=2)))
    more = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.from_regex(r"[A-Za-z0-9._:-]{16,40}", fullmatch=True),
                "env": kept_texts,
                "team": kept_texts,
                "version": kept_texts,
                "git": gits,
                "custom_tags": st.lists(tags, min_size=1, max_size=5, unique=True),
            },
        )
    )
    return {"service": draw(kept_texts), "started_at": ends[0], "finished_at": ends[1], **more}


@st.composite
def failures(draw: st.DrawFn) -> dict[str, Any]:
    """A sound failure of services, with any of the attributes that may be left out."""
    ends = sorted(draw(st.lists(st.integers(10**17, 2**63 - 1), min_size=2, max_size=2)))
    more = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.from_regex(r"[A-Za-z0-9._:-]{16,40}", fullmatch=True),
                "finished_at": st.just(ends[1]),
                **dict.fromkeys(("env", "team", "version", "name", "severity"), kept_texts),
                "git": gits,
                "custom_tags": st.lists(tags, min_size=1, max_size=5, unique=True),
            },
        )
    )
    services = draw(st.lists(kept_texts, min_size=1, max_size=4, unique=True))
    return {"services": services, "started_at": ends[0], **more}


def services_of(attributes: dict[str, Any]) -> set[str]:
    return {*(attributes.get("services") or [attributes.get("service")])}


def sent_part(attributes: dict[str, Any]) -> dict[str, Any]:
    """What a client has sent of what it gets."""
    own = {"source", "created_at", "duration", "time_to_restore", *DERIVED}
    found = {name: value for name, value in attributes.items() if name not in own}
    if "git" in found:
        found["git"] = {
            name: value for name, value in found["git"].items() if name != "repository_id"
        }
    return found


KINDS = [(DEPLOYMENT, DEPLOYMENTS, deployments), (FAILURE, FAILURES, failures)]


@pytest.mark.parametrize(("create", "read", "events"), KINDS)
@law
@given(data=st.data())
def test_every_attribute_comes_back_and_sending_again_changes_nothing(
    shared: Tenant, create: str, read: str, events: Any, data: st.DataObject
) -> None:
    event = data.draw(events())
    id_ = shared.create(event, create)
    first = shared.get(id_, read)
    expected = {name: value for name, value in event.items() if name != "id"}
    assert sent_part(first) == expected
    if event.get("id", id_) != id_:
        holder = shared.get(event["id"], read)
        is_elsewhere = services_of(holder).isdisjoint(services_of(event))
        assert is_elsewhere or holder.get("env") != event.get("env")
    assert shared.create(event, create) == id_
    again = shared.get(id_, read)
    assert sent_part(again) == expected
    assert again["created_at"] == first["created_at"]


@pytest.mark.parametrize(("create", "read", "events"), KINDS)
@few_examples
@given(data=st.data())
def test_the_order_in_which_events_come_does_not_matter(
    shared_server: tuple[Built, TestClient],
    create: str,
    read: str,
    events: Any,
    data: st.DataObject,
) -> None:
    identities = ("services", "service", "env", "version", "started_at", "finished_at", "id")
    sent = data.draw(
        st.lists(
            events(),
            min_size=2,
            max_size=6,
            unique_by=(
                lambda event: repr([event.get(name) for name in identities[:-1]]),
                lambda event: event.get("id", event["started_at"]),
            ),
        )
    )
    shuffled = data.draw(st.permutations(sent))
    found: list[list[str]] = []
    for order in (sent, shuffled):
        tenant = make_tenant(*shared_server)
        for event in order:
            tenant.create(event, create)
        resources = tenant.found(read)
        assert len(resources) == len(sent)
        # Ids that the server gives are an organisation's own.
        found.append(
            sorted(json.dumps(sent_part(row["attributes"]), sort_keys=True) for row in resources)
        )
    assert found[0] == found[1]


@few_examples
@given(versions=st.lists(st.sampled_from("abcde"), min_size=1, max_size=12))
def test_however_often_events_are_sent_each_is_there_once(
    shared_server: tuple[Built, TestClient], versions: list[str]
) -> None:
    tenant = make_tenant(*shared_server)
    ids = {version: tenant.create({**BARE, "version": version}) for version in versions}
    assert sorted(tenant.ids()) == sorted(ids.values())
