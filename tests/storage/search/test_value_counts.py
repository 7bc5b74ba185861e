"""How many deployments have which values: in memory the same as in the deployments themselves."""

from collections import Counter

import pytest

from actors import TESTER
from settling import in_every_state
from theodora.dora import Period
from theodora.events import Deployment, Failure
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, OverrideValues, Selection, Store

DAY_NS = 86_400 * 10**9
PERIOD = Period(10 * DAY_NS, 40 * DAY_NS)
FIELDS = ("service", "env", "team", "source", "deployment_type", "change_failure", "version")
"""The last of them is not held in memory."""


def deployed(store: Store, org: Organisation) -> None:
    """Fifty, one a day; every fifth failed, every seventh has neither team nor environment."""
    for day in range(50):
        event = Deployment(
            id=f"{day:02}",
            service=f"service-{day % 4}",
            env=None if day % 7 == 0 else f"env-{day % 3}",
            team=None if day % 7 == 0 else f"team-{day % 2}",
            version=f"v{day % 6}",
            started_at_ns=day * DAY_NS,
            finished_at_ns=day * DAY_NS + 1,
            source="pipeline" if day % 2 else "api",
        )
        store.deployments.add(org, event, day + 1, actor=TESTER).result()
        if day % 5 == 0:
            store.deployments.update(
                org, f"{day:02}", OverrideValues(change_failure=True), now_ns=1, actor=TESTER
            ).result()


@in_every_state
@pytest.mark.parametrize("query", ["*", "team:team-1", "-env:env-1 source:api", "version:v3"])
def test_values_are_counted_as_deployments_have_them(
    store: Store, org: Organisation, query: str
) -> None:
    """Of the period alone; most first, then in order, none at all the last of its equals."""
    deployed(store, org)
    tree = parse(query)
    by_time = sort_key("finished_at", Kind.DEPLOYMENT)
    assert by_time
    selection = Selection(query=tree, sort=by_time, limit=100)
    within = [
        each
        for each in store.deployments.select(org, selection)
        if PERIOD.start_ns <= each.finished_at_ns < PERIOD.end_ns
    ]
    for name in FIELDS:
        field = sort_key(name, Kind.DEPLOYMENT)
        assert field
        counts = Counter(getattr(each, name) for each in within)
        expected = sorted(
            counts.items(), key=lambda each: (-each[1], each[0] is None, str(each[0]))
        )
        assert store.metrics.value_counts(org, PERIOD, tree, field, 100) == expected, name
        assert store.metrics.value_counts(org, PERIOD, tree, field, 2) == expected[:2], name


def test_what_was_received_last_is_found(store: Store, org: Organisation) -> None:
    """By when it came and not by when it finished; nothing where there is nothing."""
    assert store.deployments.last_received(org) is None
    assert store.failures.last_received(org) is None
    deployed(store, org)
    late = Deployment(id="late", service="web", started_at_ns=1, finished_at_ns=2)
    store.deployments.add(org, late, 10**6, actor=TESTER).result()
    store.failures.add(
        org, Failure(id="down", started_at_ns=5, services=("web",)), 7, actor=TESTER
    ).result()
    found, failure = store.deployments.last_received(org), store.failures.last_received(org)
    assert found
    assert found.id == "late"
    assert failure
    assert failure.started_at_ns == 5
