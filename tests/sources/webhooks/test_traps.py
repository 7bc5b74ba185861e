"""Traps of webhooks that others met, each through the store to the metrics."""

from itertools import permutations
from typing import Any

import pytest

from actors import TESTER
from databases import ON_SQLITE
from deliveries import Delivery, at, deployment, incident, ns, pull_request, push, sha, status
from theodora.events import Deployment, Failure
from theodora.storage import Organisation, Store
from webhook_stories import deliver, results

pytestmark = ON_SQLITE


def sent(*deliveries: Delivery, kind: str = "github") -> list[tuple[str, Delivery]]:
    return [(kind, each) for each in deliveries]


def deployments(store: Store, org: Organisation) -> list[Deployment]:
    return sorted(store.deployments.everything(org), key=lambda each: each.finished_at_ns)


def failures(store: Store, org: Organisation) -> list[Failure]:
    return list(store.failures.everything(org))


def test_an_inactive_status_neither_makes_nor_moves_a_deployment(store: Store) -> None:
    first, second, never = (deployment(number, number, number) for number in (1, 2, 3))
    story = sent(
        status(first, "success", 1.5),
        status(second, "success", 2.5),
        # GitHub's own automatic status, when the second one took its place; and once more, later.
        status(first, "inactive", 2.6),
        status(first, "inactive", 9),
        status(never, "inactive", 3.5),
    )
    for number, order in enumerate([*permutations(story)][::24]):
        org = deliver(store, f"order-{number}", order)
        assert [each.finished_at_ns for each in deployments(store, org)] == [ns(1.5), ns(2.5)]


def test_a_first_deployment_does_not_inherit_years_of_commits(store: Store) -> None:
    """The repository is nine years old, and so is its oldest pull request."""
    old, new = -9 * 365 * 24, 5
    story = sent(
        push(0, (1, old, "Begin"), (2, old + 1, "Go on"), (3, -1, "Newest")),
        pull_request(
            1, "closed", old + 2, merged_at=at(old + 2), merge_commit_sha=sha(2), created_at=at(old)
        ),
        status(deployment(1, 3, 0), "success", 1),
        push(3, (4, new, "After that")),
        status(deployment(2, 4, 6), "success", 7),
    )
    org = deliver(store, "old", story)
    first, second = deployments(store, org)
    assert (first.lead_time_status, first.change_lead_time) == ("baseline", None)
    assert (second.number_of_commits, second.change_lead_time) == (1, 2 * 3_600)
    lead_time = results(store, org)["metrics"].change_lead_time
    assert (lead_time.n, lead_time.mean) == (1, 2 * 3_600)


def test_an_incident_near_no_deployment_fails_none(store: Store) -> None:
    story = [
        *sent(status(deployment(1, 1, 1), "success", 1.5)),
        *sent(
            incident("triggered", 400, created_at=at(400)),
            incident("resolved", 403, created_at=at(400)),
            # Before anything was deployed.
            incident("triggered", -10, "Q2", created_at=at(-10)),
            kind="pagerduty",
        ),
    ]
    org = deliver(store, "calm", story)
    [deployed] = deployments(store, org)
    assert not deployed.change_failure
    metrics = results(store, org)["metrics"]
    assert metrics.change_failure_rate.hits == 0
    restored = metrics.incident_time_to_restore
    assert (restored.n, restored.mean, restored.open) == (1, 3 * 3_600, 1)


def test_resolved_before_opened_is_one_closed_incident(store: Store) -> None:
    opened, acknowledged, resolved = (
        incident(event, hour)
        for event, hour in (("triggered", 1), ("acknowledged", 2), ("resolved", 3))
    )
    for number, order in enumerate(permutations((resolved, acknowledged, opened))):
        org = deliver(store, f"order-{number}", sent(*order, kind="pagerduty"), at_once=1)
        [failure] = failures(store, org)
        assert (failure.started_at_ns, failure.finished_at_ns) == (ns(0), ns(3))
        assert failure.periods == ()


@pytest.mark.parametrize("teams", [[], None, [{}], [{"summary": ""}], [{"summary": None}], [None]])
def test_an_incident_without_teams_has_the_team_of_its_service_or_none(
    store: Store, teams: Any
) -> None:
    story = sent(incident("triggered", 1, teams=teams), kind="pagerduty")
    [failure] = failures(store, deliver(store, "no settings", story))
    assert (failure.services, failure.team) == (("checkout",), None)
    org = store.keys.ensure_organisation("settings", 1, actor=TESTER).result()
    store.settings.put(org, {"team": "Shop"}, "checkout", actor=TESTER).result()
    [failure] = failures(store, deliver(store, "settings", story))
    assert failure.team == "Shop"


def test_an_incident_without_service_and_team_is_ignored_with_the_reason(store: Store) -> None:
    org = deliver(
        store, "nameless", sent(incident("triggered", 1, service=None, teams=[]), kind="pagerduty")
    )
    [counts] = store.inbox.counts(org)
    assert counts.ignored == 1
    assert failures(store, org) == []
