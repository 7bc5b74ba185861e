"""Members of payloads, which queries of settings name and which give services and environments."""

from typing import Any

import pytest

from deliveries import Delivery, at, deployment, github, incident, reading, status
from theodora.events import Deployment, Failure
from theodora.sources.webhooks.counting import fold_counted
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.members import member_values, members_in
from theodora.storage import Folded, Uncounted

PAYLOAD: Any = {
    "labels": {"severity": "critical", "app.kubernetes.io/name": "cart", "empty": ""},
    "issue": {"labels": ["bug", "env:production"], "count": 7, "done": True, "none": None},
    "pulls": [{"labels": [{"name": "hot fix"}, {"name": "service:cart"}]}, {"labels": []}],
    "tags": [{"key": "env", "value": "staging"}, {"title": "late"}],
    "named": {"name": "cart", "id": 1},
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("labels.severity", ["critical"]),
        ("labels.app.kubernetes.io/name", ["cart"]),
        ("labels.empty", []),
        ("labels.severity.more", []),
        ("issue.labels", ["bug", "env:production"]),
        ("issue.labels.env", ["production"]),
        ("issue.labels.bug", []),
        ("issue.count", ["7"]),
        ("issue.done", ["true"]),
        ("issue.none", []),
        ("pulls.labels", ["hot fix", "service:cart"]),
        ("pulls.labels.service", ["cart"]),
        ("pulls.labels.name", ["hot fix", "service:cart"]),
        ("tags.env", ["staging"]),
        ("tags", ["env", "late"]),
        ("named", ["cart"]),
        ("named.id", ["1"]),
        ("nothing.at.all", []),
        (".".join("x" * 21), []),
        ("", []),
    ],
)
def test_a_path_leads_to_values(path: str, values: list[str]) -> None:
    assert [each.text for each in member_values(PAYLOAD, path)] == values


def test_values_are_few_and_short() -> None:
    many: Any = {"labels": [f"{number}{'x' * 300}\n" for number in range(99)]}
    found = member_values(many, "labels")
    assert (len(found), {len(each.text) for each in found}) == (50, {200})


def test_a_query_names_members() -> None:
    query = "-(@payload.b.c:x OR payload.a:*) severity:high AND @kind:drill @payload.b.c:y"
    assert list(members_in(query)) == ["payload.a", "payload.b.c"]
    assert list(members_in("")) == []


def alert(name: str, **labels: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "fingerprint": name,
        "startsAt": at(1),
        "labels": {"alertname": name, "severity": "page", "service": "web", **labels},
    }


def alerts(*given: dict[str, Any]) -> Delivery:
    return Delivery({}, {"alerts": [*given], "receiver": "dora"})


def folded(
    kind: str, deliveries: list[Delivery], settings: SourceSettings
) -> list[Folded | Uncounted | None]:
    """What deliveries add up to, for each thing in order."""
    documents: dict[str, list[str]] = {}
    for delivery in deliveries:
        found = reading(kind, delivery, settings)
        assert found.facts, found.reason
        for fact in found.facts:
            documents.setdefault(fact.thing, []).append(fact.document)
    return [fold_counted(settings, kind, thing, facts) for thing, facts in documents.items()]


def test_a_query_counts_alerts_by_their_own_labels() -> None:
    query = "@payload.labels.team_label:core AND @payload.receiver:dora"
    settings = SourceSettings(count_failures=query)
    given = alerts(alert("one", team_label="core"), alert("two", team_label="edge"))
    counted, other = folded("alertmanager", [given], settings)
    assert isinstance(counted, Failure)
    assert counted.custom_tags == (), "a member is no tag of the event"
    assert other == Uncounted("it does not match the setting count_failures")


def test_the_last_values_of_a_member_count_in_every_order() -> None:
    settings = SourceSettings(count_failures="@payload.event.data.urgency:high")
    low, high = (
        incident("triggered", minute, urgency=urgency)
        for minute, urgency in ((1, "low"), (2, "high"))
    )
    end = incident("resolved", 3)
    for story in ([low, high, end], [end, high, low]):
        assert isinstance(folded("pagerduty", story, settings)[0], Failure)
    assert isinstance(folded("pagerduty", [low, end], settings)[0], Uncounted)


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ("NOT @payload.deployment.payload.rc:true", False),
        ("@payload.deployment.ref:(main OR release/*)", True),
        ("NOT @payload.sender.type:Bot", True),
    ],
)
def test_a_query_excludes_deployments_by_what_github_sends(query: str, counts: bool) -> None:
    made = {**deployment(7, 1, 10), "payload": {"rc": True}}
    settings = SourceSettings(count_deployments=query)
    [found] = folded("github", [status(made, "success", 11)], settings)
    assert isinstance(found, Deployment) is counts


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("web", None)),
        ({"service_from": "labels.app", "env_from": "labels.cluster"}, ("cart", "eu-1")),
        (
            {
                "service_from": "labels.app",
                "services": {"c*": "basket", "web": "x"},
                "env_from": "labels.cluster",
                "envs": {"eu-*": "production"},
                "env": "none",
            },
            ("basket", "production"),
        ),
        ({"service_from": "labels.nothing", "env_from": "x", "env": "live"}, ("web", "live")),
    ],
)
def test_a_label_gives_service_and_environment(
    settings: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    delivery = alerts(alert("one", app="cart", cluster="eu-1"))
    [found] = folded("alertmanager", [delivery], SourceSettings(**settings))
    assert isinstance(found, Failure)
    assert (found.services[0], found.env) == expected


def test_a_label_gives_the_service_of_an_alert_that_names_none() -> None:
    delivery = alerts({**alert("one"), "labels": {"severity": "page", "app": "cart"}})
    [found] = folded("grafana", [delivery], SourceSettings(service_from="labels.app"))
    assert isinstance(found, Failure)
    assert found.services == ("cart",)


def test_of_many_labels_the_table_knows_which_one_counts() -> None:
    made = {**deployment(7, 1, 10), "payload": {"labels": ["urgent", "team-cart"]}}
    asked = {"service_from": "deployment.payload.labels"}
    [found] = folded("github", [status(made, "success", 11)], SourceSettings(**asked))
    assert isinstance(found, Deployment)
    assert found.service == "shop"
    settings = SourceSettings(**asked, services={"team-*": "cart", "acme/shop": "web"})
    [found] = folded("github", [status(made, "success", 11)], settings)
    assert isinstance(found, Deployment)
    assert found.service == "cart"


@pytest.mark.parametrize(
    ("branch", "env"), [("main", "staging"), ("release/2", "production"), ("other", "test")]
)
def test_the_branch_of_a_release_gives_its_environment(branch: str, env: str) -> None:
    release = {"id": 9, "tag_name": "v1", "published_at": at(1), "target_commitish": branch}
    settings = SourceSettings(
        releases=True, envs={"main": "staging", "release/*": "production", "acme/*": "test"}
    )
    delivery = github("release", action="published", release=release)
    [found] = folded("github", [delivery], settings)
    assert isinstance(found, Deployment)
    assert found.env == env
