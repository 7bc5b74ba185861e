"""Webhooks of any JSON, whose paths the settings name."""

from typing import Any

import pytest

from deliveries import Delivery, at, ns, reading, sha
from theodora.errors import Invalid
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.settings_lines import lines_from_settings, settings_from_lines
from theodora.sources.webhooks.table import source_named
from webhook_stories import deployments, failures

DEPLOYMENT = """
deployment.number=$.run.id
deployment.at=$.time
deployment.started=$[?$.state=='running']
deployment.succeeded=$[?$.state=='ok']
deployment.failed=$[?$.state=='broken']
deployment.service=$.run.app
deployment.env=$.labels[?@.key=='env'].value
deployment.version=$.run.version
deployment.repository_url=$.git.url
deployment.commit_sha=$.git.sha
deployment.custom_tags=$.tags[*]
services.shop=checkout
"""
INCIDENT = """
incident.number=$.id
incident.at=$.changed
incident.active=$.id
incident.resolved=$.closed
incident.removed=$.duplicate_of
incident.name=$.title
incident.severity=$.priority
service=web
env=production
"""


def settings_of(text: str) -> SourceSettings:
    kind = source_named("json")
    assert kind
    return settings_from_lines(kind, text.splitlines())


def run(state: str, hour: float, **members: Any) -> Delivery:
    return Delivery(
        {},
        {
            "run": {"id": 7, "app": "shop", "version": "1.4"},
            "state": state,
            "time": at(hour),
            "labels": [{"key": "team", "value": "A"}, {"key": "env", "value": "production"}],
            "git": {"url": "https://git.example/shop", "sha": sha(1)},
            "tags": ["region:eu", "cluster:blue"],
            **members,
        },
    )


def ticket(hour: float, **members: Any) -> Delivery:
    said = {"id": "T-1", "title": "Shop is down", "priority": 1, "changed": ns(hour) // 10**6}
    return Delivery({}, {**said, **members})


RUNS = [run("queued", 0), run("running", 1), run("broken", 2), run("ok", 3)]


def test_paths_make_a_deployment() -> None:
    [deployed] = deployments("json", RUNS, settings_of(DEPLOYMENT))
    assert (deployed.id, deployed.service, deployed.env) == ("json:7", "checkout", "production")
    assert (deployed.started_at_ns, deployed.finished_at_ns) == (ns(1), ns(3))
    assert deployed.git
    assert deployed.git.commit_sha == sha(1)
    assert (deployed.version, deployed.custom_tags) == ("1.4", ("region:eu", "cluster:blue"))
    assert reading("json", RUNS[0], settings_of(DEPLOYMENT)).state == "ignored"


def test_without_conditions_each_webhook_is_a_deployment() -> None:
    plain = "deployment.number=$.run.id\ndeployment.at=$.time\nservice=shop\nenv=production"
    began = f"{plain}\ndeployment.started_at=$.began"
    [deployed] = deployments("json", [run("any", 2, began=at(1))], settings_of(began))
    assert (deployed.started_at_ns, deployed.finished_at_ns) == (ns(1), ns(2))
    [deployed] = deployments("json", [run("any", 2)], settings_of(plain))
    assert (deployed.service, deployed.started_at_ns) == ("shop", ns(2))


TICKETS = [
    ticket(1, closed=None),
    ticket(2, closed=True),
    ticket(3, closed=False),
    ticket(4, closed="today", title="Shop was down"),
]


def test_the_last_condition_that_applies_is_the_state_of_an_incident() -> None:
    settings = settings_of(INCIDENT)
    [failure] = failures("json", TICKETS, settings)
    assert [tuple(each) for each in failure.periods] == [(ns(1), ns(2)), (ns(3), ns(4))]
    assert (failure.name, failure.severity) == ("Shop was down", "1")
    assert (failure.services, failure.env) == (("web",), "production")
    assert failures("json", [*TICKETS, ticket(5, duplicate_of="T-2")], settings) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("deployment.colour=$.x", "deployment.colour: use created, started"),
        ("deployment.env=run.app", "deployment.env: no JSONPath"),
        ("deployment.env=$[", "deployment.env: no JSONPath"),
        ("deployment.env=$[?match($.run.app, '(a+)+b')]", "deployment.env: no JSONPath"),
        ("deployment.env=$..a..b", 'at most one filter "?"'),
        ("incident.number=$.x", "incident.at is missing"),
        ("incident.at=$.x", "incident.active is missing"),
    ],
)
def test_settings_with_a_wrong_path_are_refused(line: str, problem: str) -> None:
    with pytest.raises(Invalid, match=r".") as raised:
        settings_of(f"{DEPLOYMENT}\n{line}")
    assert problem in str(raised.value)


def test_settings_are_lines_again() -> None:
    settings = settings_of(DEPLOYMENT + INCIDENT)
    assert settings_of("\n".join(lines_from_settings(settings))) == settings


def test_what_paths_do_not_find_fails_with_the_path() -> None:
    settings = settings_of(DEPLOYMENT)
    assert '"$.time"' in reading("json", run("ok", 1, time="soon"), settings).reason
    nameless = reading("json", run("ok", 1, run={"app": "shop"}), settings)
    assert (nameless.state, '"$.run.id"' in nameless.reason) == ("failed", True)
    assert "have no paths" in reading("json", run("ok", 1)).reason
