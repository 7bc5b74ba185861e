"""Events as lines: whatever a line says, it is an event that can be stored, or refused."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import TESTER
from theodora.errors import Invalid
from theodora.events import Deployment, Failure, Git
from theodora.sources.json_lines import (
    deployment_from_line,
    failure_from_line,
    line_from_event,
)
from theodora.storage import Organisation, Store

BARE = {"service": "web", "started_at": 1693491974, "finished_at": 1693491984}
INSTANT_NS = 1693491974 * 10**9


def line(**members: Any) -> bytes:
    return json.dumps({**BARE, **members}).encode()


@pytest.mark.parametrize(
    ("created_at", "created_at_ns"),
    [
        (1693491974000000001, 1693491974000000001),
        (1693491974, INSTANT_NS),
        (1693491974000, INSTANT_NS),
        *((value, 0) for value in (None, 0, -5, 2**63, 10**400, True, [], {}, "yesterday", 1.5)),
    ],
)
def test_the_time_of_first_receipt_is_kept_if_it_is_one(
    created_at: Any, created_at_ns: int
) -> None:
    assert deployment_from_line(line(created_at=created_at)).created_at_ns == created_at_ns


@pytest.mark.parametrize("name", ["recovery_time_sec", "change_lead_time", "avg_review_time"])
@pytest.mark.parametrize("value", [2**63, 10**400, 1.5, "1", True, []])
def test_what_is_derived_has_to_fit_as_well(name: str, value: Any) -> None:
    with pytest.raises(Invalid):
        deployment_from_line(line(**{name: value}))


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        *((source, source) for source in ("api", "github/actions", "a.b:c-d_e", "x" * 255)),
        *((source, "import") for source in (None, "", "a b", "x" * 256, "\x00", 7, [], {})),
    ],
)
def test_the_source_is_kept_if_it_is_one(source: Any, kept: str) -> None:
    assert deployment_from_line(line(source=source)).source == kept


EVENTS = [
    Deployment(
        id="x",
        service="web",
        env="production",
        team="a",
        version="v1",
        started_at_ns=INSTANT_NS + 1,
        finished_at_ns=INSTANT_NS + 2,
        git=Git("a" * 40, "https://github.com/a/b"),
        custom_tags=("k:v", "a:b:c"),
        source="demo",
        created_at_ns=INSTANT_NS + 3,
    ),
    Failure(
        id="y",
        services=("web", "api"),
        env="production",
        team="a",
        version="v1",
        name="down",
        severity="SEV-1",
        started_at_ns=INSTANT_NS + 1,
        finished_at_ns=INSTANT_NS + 2,
        git=Git("a" * 40, "https://github.com/a/b"),
        custom_tags=("k:v",),
        source="pager",
        created_at_ns=INSTANT_NS + 3,
    ),
]


def test_a_failure_has_each_of_its_services_once_in_the_order_of_the_line() -> None:
    failure = b'{"services": ["web", "api", "web"], "started_at": 1693491974}'
    assert failure_from_line(failure).services == ("web", "api")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line_is_read_back_as_the_event_it_was_made_of(event: Deployment | Failure) -> None:
    written = line_from_event(event)
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    read = deployment_from_line if isinstance(event, Deployment) else failure_from_line
    assert read(written) == event


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([2**63, 10**400, "a:b", "a" * 40, 1693491974]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
members = st.sampled_from(
    (
        *("id", "service", "services", "env", "team", "version", "name", "severity", "started_at"),
        *("finished_at", "git", "commit_sha", "repository_url", "custom_tags", "source"),
        *("created_at", "change_failure", "remediation", "duration"),
        *("deployment_type", "recovery_time_sec", "number_of_commits", "change_lead_time"),
    )
)


@settings(
    deadline=None,
    max_examples=150,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(spoilt=st.dictionaries(members, values, max_size=4))
def test_every_line_is_stored_or_refused(
    store: Store, org: Organisation, spoilt: dict[str, Any]
) -> None:
    try:
        deployment = deployment_from_line(line(**spoilt))
        failure = failure_from_line(line(**{"team": "a", **spoilt}))
    except Invalid:
        return
    assert store.deployments.add(org, deployment, 1, actor=TESTER).result().now.event.service
    assert store.failures.add(org, failure, 1, actor=TESTER).result().now.event.id
