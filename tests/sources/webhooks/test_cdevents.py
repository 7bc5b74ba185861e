"""CDEvents: deployments, incidents and runs, in both modes of CloudEvents."""

from typing import Any

import pytest

from deliveries import Delivery, at, ns, reading, sha
from theodora.sources.webhooks.artifacts import Artifact, read_artifact
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, IncidentFact, decode_fact
from webhook_stories import deployments, failures

RUNS = SourceSettings(workflows=("Deploy",), env="production", services={"Deploy": "shop"})
PURL = "pkg:oci/shop@sha256%3A0b31b1?tag=1.4.0"


def cdevent(type_: str, hour: float, id_: str = "", **members: Any) -> Delivery:
    """An event in binary mode; members of its subject's content by name."""
    custom = members.pop("custom", {})
    subject = {"id": members.pop("subject", "shop"), "content": members}
    context = {
        "specversion": "0.5.1",
        "id": id_ or f"{type_}@{hour}",
        "source": "/ours",
        "type": f"dev.cdevents.{type_}.0.3.0",
        "timestamp": at(hour),
    }
    return Delivery(
        {"content-type": "application/json"},
        {"context": context, "subject": subject, "customData": custom},
    )


def service(event: str, hour: float, **members: Any) -> Delivery:
    return cdevent(f"service.{event}", hour, environment={"id": "production"}, **members)


def incident(event: str, hour: float, **members: Any) -> Delivery:
    said: dict[str, Any] = {
        "subject": "inc-1",
        "environment": {"id": "production"},
        "service": {"id": "shop"},
    }
    return cdevent(f"incident.{event}", hour, **{**said, **members})


def run(event: str, hour: float, **members: Any) -> Delivery:
    return cdevent(f"pipelinerun.{event}", hour, subject="run-1", pipelineName="Deploy", **members)


def fact(delivery: Delivery, settings: SourceSettings = DEFAULT_SETTINGS) -> Any:
    [found] = reading("cdevents", delivery, settings).facts
    return decode_fact(found.document)


SERVICES = [
    service("deployed", 1, artifactId=PURL),
    service("upgraded", 2, artifactId=PURL.replace("1.4.0", "1.5.0")),
    service("rolledback", 3, artifactId=PURL),
    service("published", 4),
    service("removed", 5),
]


def test_each_event_of_a_service_is_a_deployment() -> None:
    first, second, third = deployments("cdevents", SERVICES)
    assert (first.service, first.env, first.version) == ("shop", "production", "1.4.0")
    assert (first.started_at_ns, first.finished_at_ns) == (ns(1), ns(1))
    assert (second.version, second.custom_tags) == ("1.5.0", ())
    assert (third.version, third.custom_tags) == ("1.4.0", ("deployment_type:rollback",))
    published = deployments("cdevents", SERVICES, SourceSettings(releases=True))
    assert [each.finished_at_ns for each in published] == [ns(1), ns(2), ns(3), ns(4)]


def test_both_modes_are_the_same_event() -> None:
    binary = service("deployed", 1)
    structured = Delivery(
        {"content-type": "application/cloudevents+json"},
        {
            "specversion": "1.0",
            "id": "another",
            "type": "dev.cdevents.service.deployed.0.3.0",
            "data": binary.payload,
        },
    )
    assert fact(structured) == fact(binary)


def test_version_0_4_has_types_with_other_numbers() -> None:
    sent = service("deployed", 1)
    sent.payload["context"].update(type="dev.cdevents.service.deployed.0.1.4-draft")
    assert isinstance(fact(sent), DeploymentFact)


def test_custom_data_has_what_a_cdevent_cannot_have() -> None:
    custom = {
        "git": {"commit_sha": sha(1), "repository_url": "https://github.com/acme/shop"},
        "version": "2.0",
        "team": "Payments",
        "custom_tags": ["region:eu"],
    }
    found = fact(service("deployed", 1, artifactId=PURL, custom=custom))
    assert (found.commit_sha, found.repository_url) == (sha(1), "https://github.com/acme/shop")
    assert (found.version, found.team, found.custom_tags) == ("2.0", "Payments", ("region:eu",))


def test_settings_give_services_and_environments_other_names() -> None:
    renamed = SourceSettings(services={"shop": "checkout"}, envs={"production": "prod"})
    found = fact(service("deployed", 1), renamed)
    assert (found.service, found.env) == ("checkout", "prod")


INCIDENT = [
    incident("detected", 1, description="Slow", artifactId=PURL),
    incident("reported", 2, description="Slow", custom={"severity": "high"}),
    incident("resolved", 3, description="Fast again", artifactId=PURL.replace("4", "5")),
    incident("detected", 4, description="Slow"),
    incident("resolved", 5, description="Fast again"),
]


def test_an_incident_is_open_from_its_detection_and_may_be_detected_again() -> None:
    [failure] = failures("cdevents", INCIDENT)
    assert [tuple(each) for each in failure.periods] == [(ns(1), ns(3)), (ns(4), ns(5))]
    assert (failure.name, failure.severity, failure.version) == ("Slow", "high", "1.4.0")
    assert (failure.services, failure.env) == (("shop",), "production")
    assert failures("cdevents", INCIDENT[2:3]) == []


def test_ids_of_incidents_are_unique_in_their_source() -> None:
    elsewhere = incident("detected", 2)
    elsewhere.payload["subject"].update(source="/theirs")
    of_context = incident("detected", 3)
    of_context.payload["context"].update(source="/others")
    assert len(failures("cdevents", [incident("detected", 1), elsewhere, of_context])) == 3
    assert isinstance(fact(elsewhere), IncidentFact)


def test_an_incident_has_a_service_or_a_team() -> None:
    nameless = [incident("detected", 1, service={}), incident("resolved", 2)]
    assert failures("cdevents", nameless) == []
    assert "names no service" in reading("cdevents", nameless[0]).reason
    [failure] = failures("cdevents", nameless, SourceSettings(service="web"))
    assert failure.services == ("web",)
    [failure] = failures("cdevents", [incident("detected", 1, service={}, custom={"team": "A"})])
    assert (failure.services, failure.team) == ((), "A")


def test_a_run_that_settings_name_deploys() -> None:
    git = {"commit_sha": sha(1), "repository_url": "https://github.com/acme/shop"}
    story = [
        run("queued", 1),
        run("started", 2),
        run("finished", 3, outcome="success", custom={"git": git}),
    ]
    [deployed] = deployments("cdevents", story, RUNS)
    assert (deployed.started_at_ns, deployed.finished_at_ns) == (ns(2), ns(3))
    assert (deployed.service, deployed.env) == ("shop", "production")
    assert deployed.git
    assert deployed.git.commit_sha == sha(1)
    for outcome in ("failure", "error"):
        failed = run("finished", 3, outcome=outcome)
        assert fact(failed, RUNS).status == "failed"
        assert deployments("cdevents", [*story[:2], failed], RUNS) == []
    task = cdevent("taskrun.finished", 3, taskName="Deploy", outcome="success")
    assert len(deployments("cdevents", [task], RUNS)) == 1


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (run("finished", 3, outcome="success"), DEFAULT_SETTINGS, 'do not name "Deploy"'),
        (run("finished", 3, outcome="cancel"), RUNS, 'with the outcome "cancel"'),
        (service("published", 1), DEFAULT_SETTINGS, "do not count publishing"),
        (cdevent("change.merged", 1), DEFAULT_SETTINGS, "names no commits"),
        (cdevent("ticket.closed", 1), DEFAULT_SETTINGS, "ticket.closed says nothing"),
        (
            Delivery({}, {"context": {"type": "dev.cdeventsx.acme-tool.x.0.1.0"}}),
            DEFAULT_SETTINGS,
            "dev.cdeventsx.acme-tool.x.0.1.0 says nothing",
        ),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("cdevents", delivery, settings)
    assert (found.state, found.facts) == ("ignored", ())
    assert reason in found.reason


def test_what_is_no_cdevent_fails() -> None:
    for payload in ({}, {"context": []}, {"data": "text"}):
        assert reading("cdevents", Delivery({}, payload)).state == "failed"
    untimed = service("deployed", 1)
    untimed.payload["context"].update(timestamp="yesterday")
    assert reading("cdevents", untimed).state == "failed"


@pytest.mark.parametrize(
    ("purl", "artifact"),
    [
        ("pkg:golang/git.example/shop@234fd47e", Artifact("234fd47e")),
        ("pkg:oci/shop@sha256%3A0b31", Artifact("sha256:0b31")),
        ("pkg:oci/shop@sha256%3A0b31?repository_url=ghcr.io&tag=v1#path", Artifact("v1")),
        ("pkg:npm/%40acme/shop", Artifact()),
        (
            f"pkg:npm/shop@1?vcs_url=git%2Bhttps://git.example/shop.git%40{sha(11).upper()}",
            Artifact("1", "https://git.example/shop.git", sha(11)),
        ),
        (
            f"pkg:npm/shop@1?vcs_url=git+https://git.example/shop.git@{sha(11)}",
            Artifact("1", "https://git.example/shop.git", sha(11)),
        ),
        ("shop:1.0", Artifact()),
        ("", Artifact()),
    ],
)
def test_a_package_url_has_a_version_and_may_have_a_commit(purl: str, artifact: Artifact) -> None:
    assert read_artifact(purl) == artifact
