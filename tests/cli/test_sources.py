"""`theodora sources`: adding, listing, trying, replaying and removing webhook sources."""

import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from deliveries import Delivery, body_of, deployment, github, incident, status
from theodora.cli import main
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import Store

SUCCESS = status(deployment(7, 1, 10), "success", 11)


def run(tmp_path: Path, command: str, *arguments: str, given: str | None = None) -> Result:
    database = f"--database={url(tmp_path)}"
    return CliRunner().invoke(main, ["sources", command, database, *arguments], input=given)


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'theodora.db'}"


def add(tmp_path: Path, *arguments: str) -> str:
    """The id of a new source."""
    result = run(tmp_path, "add", *arguments)
    assert result.exit_code == 0, result.output
    found = re.search(r"Source (\w+) added", result.stdout)
    assert found
    return found[1]


def receive(tmp_path: Path, id_: str, *deliveries: Delivery) -> None:
    with Store(url(tmp_path)) as store:
        org = store.keys.organisation("default")
        source = store.sources.get(org, id_)
        for each in deliveries:
            store.inbox.receive(
                *(org, source.kind, id_, each.headers, body_of(each), time.time_ns()),
                actor=TESTER,
            ).result()
        InboxWorker(store, 30).work_off()


def test_adding_a_source_prints_what_to_enter_at_the_provider(tmp_path: Path) -> None:
    result = run(tmp_path, "add", "github", "--url", "https://dora.example/")
    [id_] = re.findall(r"Source (\w+) added", result.stdout)
    assert f"https://dora.example/webhooks/github/{id_}\n" in result.stdout
    with Store(url(tmp_path)) as store:
        [source] = store.sources.all_of(store.keys.organisation("default"))
    assert f"Secret: {source.secret}\n" in result.stdout
    for command in ("list", "show"):
        shown = run(tmp_path, command, *([id_] if command == "show" else [])).output
        assert id_ in shown
        assert source.secret not in shown


def test_sources_are_listed_with_what_came_in(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github", "--name", "our repositories")
    empty = add(tmp_path, "pagerduty")
    receive(tmp_path, id_, SUCCESS, github("ping"), github("deployment"))
    head, *rows = run(tmp_path, "list").stdout.splitlines()
    assert head.split() == [
        *("ID", "KIND", "NAME", "LAST", "RECEIVED", "RECEIVED", "IGNORED", "FAILED", "WAITING")
    ]
    assert re.fullmatch(rf"{id_}  github +our repositories +20\S+Z +3 +1 +1 +0", rows[0])
    assert re.fullmatch(rf"{empty}  pagerduty +PagerDuty +never +0 +0 +0 +0", rows[1])


def test_deliveries_are_shown_with_what_they_say(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github", "--set", "service=web", "--set", "services.acme/shop=shop")
    receive(tmp_path, id_, SUCCESS, github("ping"))
    shown = run(tmp_path, "show", id_).stdout
    assert f"GitHub: /webhooks/github/{id_}\nservice=web\nservices.acme/shop=shop\n" in shown
    assert "ignored  ping says nothing about deployments or changes" in shown
    only = run(tmp_path, "show", id_, "--state", "ignored").stdout
    assert "deployment:" in shown
    assert "deployment:" not in only


def test_the_inbox_of_all_sources_is_searched(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github")
    other = add(tmp_path, "pagerduty")
    receive(tmp_path, id_, SUCCESS, github("ping"))
    receive(tmp_path, other, incident("triggered", 1))

    def found(*arguments: str) -> list[str]:
        head, *rows = run(tmp_path, "search", *arguments).stdout.splitlines()
        assert head.split()[:5] == ["NUMBER", "RECEIVED", "STATE", "KIND", "SOURCE"]
        return [row.split()[3] for row in rows]

    assert found() == ["pagerduty", "github", "github"]
    assert found("--kind", "github", "--state", "ignored") == ["github"]
    assert found("--source", other) == found("--containing", "INCIDENT:q1") == ["pagerduty"]
    assert found("--containing", "x-github-event") == ["github", "github"]
    assert found("--to", "2026-01-01T00:00:00Z") == []
    assert len(found("--from", "2026-01-01T00:00:00Z", "--limit", "2")) == 2
    wrong = run(tmp_path, "search", "--from", "yesterday")
    assert "--from" in wrong.output
    assert wrong.exit_code == 1


def test_new_settings_apply_to_replayed_deliveries(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github")
    receive(tmp_path, id_, SUCCESS)
    assert run(tmp_path, "set", id_, "service=web").exit_code == 0
    assert run(tmp_path, "replay", id_).stdout == "1 deliveries wait to be read again\n"
    receive(tmp_path, id_)
    with Store(url(tmp_path)) as store:
        org = store.keys.organisation("default")
        assert [each.service for each in store.deployments.everything(org)] == ["web"]


def test_settings_are_previewed_without_being_saved(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github")
    receive(tmp_path, id_, SUCCESS, github("ping"))
    shown = run(tmp_path, "preview", id_, "service=web", "count_deployments=env:production")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["done", "1", "1"] in lines
    assert ["ignored", "1", "1"] in lines
    assert "Events: 0 new, 0 lost, 1 changed\n" in shown.stdout
    assert re.search(r"changed +deployment:\S+:7 +service shop +service web\n", shown.stdout)
    nothing = run(tmp_path, "preview", id_).stdout
    assert nothing.endswith("Events: 0 new, 0 lost, 0 changed\n")
    refused = run(tmp_path, "preview", id_, "count_deployments=(")
    assert (refused.exit_code, "count_deployments: " in refused.output) == (1, True)
    with Store(url(tmp_path)) as store:
        org = store.keys.organisation("default")
        assert [each.service for each in store.deployments.everything(org)] == ["shop"]
        assert store.sources.get(org, id_).settings == "{}"


def test_settings_of_all_sources_apply_where_a_source_has_none(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github", "--set", "env=production")
    receive(tmp_path, id_, SUCCESS)
    lines = ("service=web", "env=staging", "services.acme/*=acme")
    shown = run(tmp_path, "preview", "all", *lines).stdout
    assert shown.splitlines()[5] == "Events: 0 new, 0 lost, 1 changed"
    assert run(tmp_path, "set", "all", *lines).stdout == "all: settings replaced\n"
    shown = run(tmp_path, "show", id_).stdout
    for line in ("env=production", "service=web (of all sources)"):
        assert f"\n{line}\n" in shown
    assert "\nservice=web\n" in run(tmp_path, "show", "all").stdout
    assert run(tmp_path, "replay", "all").stdout == "1 deliveries wait to be read again\n"
    receive(tmp_path, id_)
    with Store(url(tmp_path)) as store:
        [event] = store.deployments.everything(store.keys.organisation("default"))
    assert (event.service, event.env) == ("acme", "production")
    file = tmp_path / "body.json"
    file.write_text(body_of(SUCCESS))
    tried = run(tmp_path, "test", id_, str(file), "--header", "X-GitHub-Event=deployment_status")
    assert '"service":"acme"' in tried.stdout
    refused = run(tmp_path, "set", "all", "incident.number=$.id")
    assert "all sources may have service, " in refused.output


def test_a_body_is_tried_without_being_stored(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github", "--set", "service=web")
    file = tmp_path / "body.json"
    file.write_text(body_of(SUCCESS))
    tried = run(tmp_path, "test", id_, str(file), "--header", "X-GitHub-Event=deployment_status")
    assert tried.stdout.startswith("done: deployment:github.com/acme/shop:7\n")
    assert '"service":"web"' in tried.stdout
    assert run(tmp_path, "test", id_, str(file)).stdout == (
        "ignored: it has no header X-GitHub-Event\n"
    )
    assert "0" in run(tmp_path, "list").stdout.splitlines()[1].split()
    broken = run(tmp_path, "test", id_, "-", given="{")
    assert (broken.exit_code, "not JSON" in broken.output) == (1, True)


def test_the_secret_of_the_provider_is_stored_without_being_shown(tmp_path: Path) -> None:
    id_ = add(tmp_path, "pagerduty")
    result = run(tmp_path, "secret", id_, given="of the provider\n")
    assert result.exit_code == 0
    assert "of the provider" not in result.output
    with Store(url(tmp_path)) as store:
        [source] = store.sources.all_of(store.keys.organisation("default"))
    assert source.secret == "of the provider"
    assert run(tmp_path, "secret", id_, given=" \n").exit_code == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("colour=red", "GitHub reads service, services"),
        ("service", "write a name, an equals sign and a value"),
        ("service=", "write a name, an equals sign and a value"),
        ("service.web=shop", "write service=VALUE"),
        ("services=shop", "write services.NAME=VALUE"),
        ("releases=maybe", "releases is yes or no"),
        (f"env={'x' * 500}", "more than 500 characters"),
    ],
)
def test_a_setting_that_is_none_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    result = run(tmp_path, "add", "github", "--set", line)
    assert (result.exit_code, problem in result.output) == (1, True)
    assert not (tmp_path / "theodora.db").exists()


def test_a_removed_source_is_gone(tmp_path: Path) -> None:
    id_ = add(tmp_path, "github")
    assert run(tmp_path, "remove", id_).stdout == f"{id_}: removed\n"
    for command in ("show", "remove", "replay", "set"):
        result = run(tmp_path, command, id_)
        assert (result.exit_code, "there is no source" in result.output) == (1, True)
