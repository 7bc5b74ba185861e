"""Sources of incidents and alerts: a story of each, in every order, and what is ignored."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

import pytest

from deliveries import Delivery, at, ns, reading
from theodora.events import ActivePeriod, Failure
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.fold import fold

Json = dict[str, Any]


class Story(NamedTuple):
    """Deliveries of one source, and the failures that they add up to."""

    kind: str
    deliveries: Sequence[Delivery]
    failures: Sequence[Json]
    settings: SourceSettings = DEFAULT_SETTINGS


def failure(id_: str, *periods: tuple[float, float | None], **members: Any) -> Json:
    """A failure by its hours."""
    return {"id": id_, "periods": list(periods), **members}


def told(found: Failure, names: Iterable[str]) -> Json:
    """The members of a failure that a story names."""
    periods = found.periods or (ActivePeriod(found.started_at_ns, found.finished_at_ns),)
    hours = [(hour(each.started_at_ns), hour(each.finished_at_ns)) for each in periods]
    named = {name: getattr(found, name) for name in names if name not in ("id", "periods")}
    return {"id": found.id, "periods": hours, **named}


def hour(at_ns: int | None) -> float | None:
    return None if at_ns is None else round((at_ns - ns(0)) / 3.6e12, 6)


def failures_of(story: Story, deliveries: Iterable[Delivery]) -> list[Failure]:
    """The failures that the deliveries add up to, by id."""
    facts: defaultdict[str, set[str]] = defaultdict(set)
    for delivery in deliveries:
        read = reading(story.kind, delivery, story.settings)
        assert read.state != "failed", read.reason
        for fact in read.facts:
            facts[fact.thing].add(fact.document)
    found = (fold(story.kind, thing, list(each)) for thing, each in facts.items())
    return sorted((each for each in found if isinstance(each, Failure)), key=lambda each: each.id)


def incidentio(
    event: str, hour: float, category: str, before: str = "", **members: Any
) -> Delivery:
    incident: Json = {
        "id": "01F",
        "name": "The cart is empty",
        "created_at": at(1),
        "updated_at": at(hour),
        "severity": {"name": "Major"},
        "incident_status": {"name": category.title(), "category": category},
        "mode": "standard",
        "custom_field_entries": [
            {
                "custom_field": {"name": "Affected services"},
                "values": [{"value_catalog_entry": {"name": "cart"}}],
            },
            {"custom_field": {"name": "Team"}, "values": [{"value_option": {"value": "Shop"}}]},
        ],
        **members,
    }
    name = f"public_incident.incident_{event}_v2"
    if event != "status_updated":
        return Delivery({}, {"event_type": name, name: incident})
    changed = {"incident": incident, "previous_status": {"category": before}}
    return Delivery({}, {"event_type": name, name: changed})


def stamped(**hours: float) -> list[Json]:
    """Timestamps of incident.io."""
    return [
        {
            "incident_timestamp": {"name": name.replace("_", " ").capitalize()},
            "value": {"value": at(hour)},
        }
        for name, hour in hours.items()
    ]


BEGUN = stamped(reported_at=1, impact_started_at=0.5)
INCIDENTIO = Story(
    "incidentio",
    [
        incidentio("created", 1, "triage"),
        incidentio("status_updated", 1.5, "live", "triage", incident_timestamp_values=BEGUN),
        incidentio("updated", 2.5, "live", incident_timestamp_values=BEGUN),
        # Whoever closed it wrote down an end before the update above.
        incidentio(
            *("status_updated", 3, "learning", "live"),
            incident_timestamp_values=[*BEGUN, *stamped(resolved_at=2)],
        ),
        incidentio(
            *("status_updated", 4, "live", "closed"),
            incident_timestamp_values=[*BEGUN, *stamped(resolved_at=2)],
        ),
        # The first end is still in the message about the second one.
        incidentio(
            *("status_updated", 5, "closed", "live"),
            incident_timestamp_values=[*BEGUN, *stamped(resolved_at=2)],
        ),
        incidentio("created", 2, "live", id="01G"),
        incidentio("status_updated", 3, "merged", "live", id="01G"),
        incidentio("created", 2, "triage", id="01H"),
        incidentio("status_updated", 3, "declined", "triage", id="01H"),
    ],
    [
        failure(
            "incidentio:01F",
            (0.5, 2),
            (4, 5),
            services=("cart",),
            team="Shop",
            severity="Major",
            name="The cart is empty",
        )
    ],
)


def rootly(event: str, hour: float, status: str, **members: Any) -> Delivery:
    data = {
        "id": "r1",
        "title": "The cart is empty",
        "status": status,
        "severity": {"name": "SEV1", "slug": "sev1"},
        "started_at": at(1),
        "mitigated_at": None,
        "resolved_at": None,
        "services": [{"id": "s1", "slug": "cart-api", "name": "Cart"}],
        "groups": [{"name": "Shop"}],
        "environments": [{"name": "Production"}],
        **members,
    }
    said = {"type": f"incident.{event}", "issued_at": at(hour)}
    return Delivery({}, {"event": said, "data": data})


ROOTLY = Story(
    "rootly",
    [
        rootly("created", 1.1, "in_triage"),
        rootly("updated", 1.2, "started"),
        rootly("mitigated", 2.1, "mitigated", mitigated_at=at(2)),
        rootly("resolved", 3, "resolved", mitigated_at=at(2), resolved_at=at(3)),
        rootly("updated", 4, "started"),
        rootly("resolved", 5, "resolved", resolved_at=at(5)),
        rootly("created", 1, "started", id="r2"),
        rootly("cancelled", 2, "cancelled", id="r2"),
        rootly("created", 1, "started", id="r3"),
        rootly("deleted", 2, "started", id="r3"),
        rootly("created", 1, "started", id="r4", kind="test_sub"),
    ],
    [
        failure(
            "rootly:r1",
            (1, 2),
            (4, 5),
            services=("cart",),
            env="live",
            team="Shop",
            severity="SEV1",
        )
    ],
    SourceSettings(services={"cart-api": "cart"}, envs={"Production": "live"}),
)


def firehydrant(
    hour: float, milestone: str, *reached: tuple[str, float], **members: Any
) -> Delivery:
    incident = {
        "id": "f1",
        "name": "The cart is empty",
        "created_at": at(1),
        "updated_at": at(hour),
        "current_milestone": milestone,
        "milestones": [{"type": name, "occurred_at": at(hour)} for name, hour in reached],
        "severity": "SEV1",
        "team_assignments": [{"team_name": "Shop"}],
        **members,
    }
    event = {"operation": "UPDATED", "resource_type": "incident"}
    return Delivery({}, {"event": event, "data": {"incident": incident}})


FIREHYDRANT = Story(
    "firehydrant",
    [
        firehydrant(1, "started", ("started", 0.5)),
        firehydrant(1.5, "our own name", ("started", 0.5)),
        firehydrant(2.1, "mitigated", ("started", 0.5), ("mitigated", 2)),
        firehydrant(4, "our own end", ("started", 0.5), ("mitigated", 2), ("resolved", 3)),
        firehydrant(5, "investigating", ("started", 0.5), ("mitigated", 2)),
        firehydrant(6, "resolved", ("started", 0.5), ("mitigated", 2), ("resolved", 6)),
        firehydrant(1, "started", id="f2", severity={"slug": "GAMEDAY"}),
    ],
    [failure("firehydrant:f1", (0.5, 2), (5, 6), services=("cart",), team="Shop", severity="SEV1")],
    SourceSettings(service="cart"),
)


def opsgenie(action: str, hour: float, id_: str = "o1", **members: Any) -> Delivery:
    alert = {
        "alertId": id_,
        "message": "The cart is empty",
        "createdAt": ns(1) // 10**6,
        "updatedAt": ns(hour) + 7,
        "entity": "host-1",
        "tags": [],
        "priority": "P2",
        **members,
    }
    return Delivery({}, {"action": action, "alert": alert, "integrationName": "Metrics"})


DETAILS: Json = {
    "details": {"service": "cart"},
    "tags": ["env:live"],
    "responders": [{"type": "user", "name": "Dev One"}, {"type": "team", "name": "Shop"}],
}
OPSGENIE = Story(
    "opsgenie",
    [
        opsgenie("Create", 1, **DETAILS),
        # Opsgenie sends no details with later messages.
        opsgenie("Acknowledge", 1.5),
        opsgenie("UpdatePriority", 1.6, priority=1),
        opsgenie("Close", 2, updatedAt=ns(2), priority=1),
        opsgenie("AddNote", 3),
        opsgenie("Create", 1, "o2", **DETAILS),
        opsgenie("Delete", 2, "o2"),
        opsgenie("Acknowledge", 2, "o3"),
        opsgenie("Create", 1, "o4", responders=DETAILS["responders"], entity="cart"),
    ],
    [
        failure("opsgenie:o1", (1, 2), services=("cart",), env="live", team="Shop", severity="P1"),
        failure("opsgenie:o4", (1, None), services=("cart",), team="Shop"),
    ],
)


def jira(event: str, hour: float, category: str, id_: str = "10", **members: Any) -> Delivery:
    changes = members.pop("changes", {})
    fields = {
        "summary": "The cart is empty",
        "issuetype": {"name": "[System] Incident"},
        "project": {"key": "ENG"},
        "status": {"name": "Ours", "statusCategory": {"key": category}},
        "priority": {"name": "High"},
        "components": [{"name": "cart"}, {"name": "Checkout"}],
        "created": at(1).replace("Z", ".000+0000"),
        "updated": at(hour).replace("Z", ".000+0000"),
        "resolutiondate": None,
        "resolution": None,
        **members,
    }
    issue = {"id": id_, "fields": fields}
    return Delivery(
        {},
        {
            "webhookEvent": f"jira:issue_{event}",
            "timestamp": ns(hour) // 10**6,
            "issue": issue,
            "changelog": {"items": [{"field": "issuetype", **changes}] if changes else []},
        },
    )


JIRA = Story(
    "jira",
    [
        jira("created", 1, "new"),
        jira("updated", 1.5, "indeterminate"),
        jira("updated", 2.1, "done", resolutiondate=at(2)),
        # Reopened by a workflow that keeps the date of the resolution.
        jira("updated", 3, "indeterminate", resolutiondate=at(2)),
        jira("updated", 4, "done", resolutiondate=at(2)),
        jira("created", 1, "new", "11"),
        jira("updated", 2, "done", "11", resolution={"name": "Duplicate"}),
        jira("created", 1, "new", "12"),
        jira("deleted", 2, "new", "12"),
        jira("created", 1, "new", "13"),
        jira(
            *("updated", 2, "new", "13"),
            issuetype={"name": "Bug"},
            changes={"fromString": "[System] Incident"},
        ),
        # A server without categories of statuses.
        jira("created", 1, "", "14", status={"name": "Open"}),
        jira("updated", 2, "", "14", status={"name": "Closed"}, resolutiondate=at(2)),
    ],
    [
        failure("jira:10", (1, 2), (3, 4), services=("cart", "pay"), severity="High"),
        failure("jira:14", (1, 2), services=("cart", "pay")),
    ],
    SourceSettings(services={"Checkout": "pay"}),
)

ZERO = "0001-01-01T00:00:00Z"


def alert(start: float, end: float | None = None, host: str = "a", **labels: str) -> Json:
    return {
        "status": "firing" if end is None else "resolved",
        "labels": {"alertname": "Errors", "host": host, "severity": "critical", **labels},
        "annotations": {"summary": "Requests fail"},
        "startsAt": at(start),
        "endsAt": ZERO if end is None else at(end),
        "fingerprint": f"f{host}",
    }


def alerts(*group: Json) -> Delivery:
    return Delivery({}, {"status": "firing", "state": "alerting", "alerts": list(group)})


def started(host: str, hour: float) -> str:
    return f"f{host}-{ns(hour) // 10**9}"


CART = {"service": "cart", "env": "live", "team": "Shop"}
GROUP: Sequence[Delivery] = [
    alerts(alert(1, **CART)),
    alerts(alert(1, **CART), alert(1.5, host="b", **CART)),
    alerts(alert(1.5, host="b", **CART), alert(1, 2, **CART)),
    alerts(alert(1.5, 3, host="b", **CART)),
    alerts(alert(4, **CART)),
    alerts(alert(1, host="c", severity="warning", **CART)),
    alerts(alert(1, 2, host="c", severity="warning", **CART)),
    alerts(alert(1, host="d", alertname="DatasourceNoData", **CART)),
    alerts(alert(1, host="e", alertname="TestAlert", instance="Grafana", **CART)),
]
FIRED: Sequence[Json] = [
    failure("fa", (1, 2), services=("cart",), env="live", team="Shop", severity="critical"),
    failure("fa", (4, None), services=("cart",), name="Requests fail"),
    failure("fb", (1.5, 3), services=("cart",)),
]


def fired(kind: str) -> list[Json]:
    ids = (started("a", 1), started("a", 4), started("b", 1.5))
    return [{**each, "id": f"{kind}:{id_}"} for each, id_ in zip(FIRED, ids, strict=True)]


ALERTMANAGER = Story("alertmanager", GROUP, fired("alertmanager"))
GRAFANA = Story("grafana", GROUP, fired("grafana"))


def sentry(action: str, hour: float, id_: str = "1", **members: Any) -> Delivery:
    issue = {
        "id": id_,
        "title": "KeyError: cart",
        "level": "error",
        "firstSeen": at(1),
        "project": {"id": "7", "slug": "shop-web", "name": "Shop"},
        **members,
    }
    headers = {
        "sentry-hook-resource": "issue",
        "sentry-hook-timestamp": str(ns(hour) // 10**9),
    }
    return Delivery(headers, {"action": action, "data": {"issue": issue}})


SENTRY = Story(
    "sentry",
    [
        sentry("created", 1.1),
        sentry("assigned", 1.5),
        sentry("resolved", 2),
        sentry("unresolved", 3),
        sentry("resolved", 4),
        sentry("created", 1, "2"),
        sentry("archived", 2, "2"),
        # Seen first long before it came in.
        sentry("resolved", 2, "3", firstSeen="2019-01-01T00:00:00Z"),
        sentry("unresolved", 5, "4", firstSeen="2019-01-01T00:00:00Z"),
        sentry("created", 1, "5", level="warning"),
    ],
    [
        failure("sentry:1", (1, 2), (3, 4), services=("cart",), severity="error"),
        failure("sentry:4", (5, None), services=("cart",)),
    ],
    SourceSettings(services={"shop-web": "cart"}),
)


def linear(action: str, hour: float, state: str, id_: str = "l1", **members: Any) -> Delivery:
    changed = members.pop("changed", {})
    issue = {
        "id": id_,
        "title": "The cart is empty",
        "createdAt": at(1),
        "updatedAt": at(hour),
        "priorityLabel": "Urgent",
        "state": {"type": state},
        "team": {"key": "SHP", "name": "Shop"},
        "labels": [{"name": "Incident"}],
        **members,
    }
    sent = {"action": action, "type": "Issue", "createdAt": at(hour), "data": issue}
    return Delivery({}, {**sent, "updatedFrom": changed})


LINEAR = Story(
    "linear",
    [
        linear("create", 1, "unstarted"),
        linear("update", 1.5, "started"),
        linear("update", 2.1, "completed", completedAt=at(2)),
        linear("update", 3, "started"),
        linear("update", 4, "completed", completedAt=at(4), priorityLabel="High"),
        linear("create", 1, "triage", "l2"),
        linear("update", 2, "canceled", "l2"),
        linear("create", 1, "started", "l3"),
        linear("remove", 2, "started", "l3", updatedAt=at(1)),
        linear("create", 1, "started", "l4"),
        linear("update", 2, "started", "l4", labels=[], changed={"labelIds": ["1"]}),
        linear("create", 1, "started", "l5", labels=[{"name": "bug"}]),
    ],
    [failure("linear:l1", (1, 2), (3, 4), services=("cart",), team="Shop", severity="High")],
    SourceSettings(services={"SHP": "cart"}),
)

STORIES = (
    *(INCIDENTIO, ROOTLY, FIREHYDRANT, OPSGENIE, JIRA, ALERTMANAGER, GRAFANA, SENTRY, LINEAR),
)
every_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.kind)


def shuffled(seed: int) -> Callable[[Sequence[Delivery]], Sequence[Delivery]]:
    return lambda story: Random(seed).sample(list(story), len(story))


@every_story
def test_a_story_adds_up_to_the_same_failures_in_every_order(story: Story) -> None:
    in_order = failures_of(story, story.deliveries)
    names = [list(each) for each in story.failures]
    assert [told(*each) for each in zip(in_order, names, strict=True)] == list(story.failures)
    others = [story.deliveries[::-1], [*story.deliveries, *story.deliveries]]
    others += [shuffled(seed)(story.deliveries) for seed in range(20)]
    for deliveries in others:
        assert failures_of(story, deliveries) == in_order


@every_story
def test_every_beginning_of_a_story_can_be_folded(story: Story) -> None:
    for count in range(len(story.deliveries)):
        failures_of(story, story.deliveries[:count])


SEVERE = SourceSettings(service="cart", severities=("SEV1", "sev2"))


def test_only_severities_that_the_settings_name_count() -> None:
    def told_of(*severities: object) -> list[Failure]:
        sent = [
            *(
                rootly("updated", hour, "started", severity=each)
                for hour, each in enumerate(severities, 1)
            ),
            rootly("resolved", 9, "resolved", severity=severities[-1], resolved_at=at(9)),
        ]
        return failures_of(Story("rootly", sent, [], SEVERE), sent)

    assert [each.severity for each in told_of("Sev1")] == ["Sev1"]
    assert not told_of("sev3")
    assert not told_of(None), "without a severity"
    for changed in (told_of("sev3", "sev2"), told_of("sev2", "sev3")):
        [found] = changed
        assert found.severity == "sev2", "one that counted once counts"
        assert (found.started_at_ns, found.finished_at_ns) == (ns(1), ns(9))


@pytest.mark.parametrize("kind", ["alertmanager", "grafana"])
def test_alerts_count_that_are_critical_or_have_no_severity(kind: str) -> None:
    sent = [
        alerts(
            alert(1, severity="CRITICAL"),
            alert(1, host="b", severity="page"),
            alert(1, host="c", severity=""),
            alert(1, host="d", severity="warning"),
        )
    ]

    def severities_of(settings: SourceSettings) -> list[str | None]:
        return [each.severity for each in failures_of(Story(kind, sent, [], settings), sent)]

    assert severities_of(SourceSettings(service="cart")) == ["CRITICAL", "page", None]
    named = SourceSettings(service="cart", severities=("warning", "page"))
    assert severities_of(named) == ["page", "warning"]


@pytest.mark.parametrize(
    ("kind", "delivery", "reason"),
    [
        (
            "incidentio",
            Delivery({}, {"event_type": "private_incident.incident_created_v2"}),
            "of a private incident it says nothing but the id",
        ),
        (
            "incidentio",
            Delivery({}, {"event_type": "public_incident.follow_up_created_v1"}),
            "public_incident.follow_up_created_v1 does not have the state of an incident",
        ),
        ("incidentio", incidentio("created", 1, "live", mode="test"), "a test is no incident"),
        (
            "rootly",
            rootly("scheduled.created", 1, "scheduled"),
            "incident.scheduled.created does not have the state of an incident",
        ),
        ("rootly", rootly("created", 1, "started", kind="test"), "the kind test is no incident"),
        (
            *("opsgenie", opsgenie("Create", 1, createdAt=None)),
            "the alert does not have the time of its change",
        ),
        (
            "jira",
            jira("created", 1, "new", issuetype={"name": "Bug"}),
            "the type Bug is no incident",
        ),
        (
            *("jira", Delivery({}, {"webhookEvent": "comment_created"})),
            "comment_created does not have the state of an issue",
        ),
        (
            *("grafana", Delivery({}, {"state": "alerting", "ruleId": 1})),
            "it has no list of alerts, which alone have times",
        ),
        (
            *("alertmanager", alerts({**alert(1, 2, **CART), "endsAt": ZERO})),
            "a resolved alert does not say when it ended",
        ),
        (
            *("alertmanager", alerts(alert(1, severity="none"), alert(1, severity="info"))),
            "the severity none does not count; the severity info does not count",
        ),
        (
            *("sentry", sentry("resolved", 1)._replace(headers={})),
            "it has no header Sentry-Hook-Timestamp, and the body has no time",
        ),
        (
            *("sentry", sentry("created", 1)._replace(headers={"sentry-hook-resource": "error"})),
            "error.created does not change when an issue is active",
        ),
        (
            *("linear", linear("create", 1, "started", labels=[])),
            "no label says that the issue is an incident",
        ),
        (
            *("linear", Delivery({}, {"type": "Comment", "action": "create"})),
            "Comment does not have the state of an issue",
        ),
        (
            *("rootly", rootly("created", 1, "started", services=[], groups=[])),
            "it names no service and no team: give the source a service in its settings",
        ),
        (
            "firehydrant",
            Delivery({}, {"event": {"resource_type": "change_event"}}),
            "change_event does not have the state of an incident",
        ),
        (
            "firehydrant",
            firehydrant(1, "started", severity={"slug": "MAINTENANCE"}),
            "the severity MAINTENANCE is no incident",
        ),
    ],
)
def test_what_says_nothing_about_a_failure_is_ignored(
    kind: str, delivery: Delivery, reason: str
) -> None:
    read = reading(kind, delivery)
    assert (read.state, read.reason) == ("ignored", reason)
