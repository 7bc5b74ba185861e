"""Every command leaves exactly one entry in the audit log, or has a reason for none."""

import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from actors import TESTER
from commands import run
from databases import ON_SQLITE
from loopback import answering
from repositories import make_repository
from storage.test_isolation import ADA, NOW_NS, claim_one, fail_to_tell, make, receiver_of
from test_commands_page import commands
from theodora.cli import main
from theodora.storage import Organisation, Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.engine.audit import AuditEntry
from theodora.storage.engine.audit_actions import ActionName

pytestmark = ON_SQLITE


class Step(NamedTuple):
    """A run of a command on the store of the test."""

    command: str
    """With its arguments; `{}` holds a name of `_names`."""
    action: ActionName
    given: str = ""
    """Standard input."""


EVENT = '{"service":"web","started_at":1700000000,"finished_at":1700000060}\n'
FAILURE = '{"services":["web"],"name":"x","started_at":1700000000,"finished_at":1700000060}\n'
COMMIT = f'{{"repository":"github.com/acme/web","sha":"{"a" * 40}"}}\n'
PULL_REQUEST = '{"repository":"github.com/acme/web","number":1,"title":"x"}\n'
VERDICT = '{"deployment":"second","at":"2023-08-31T15:00:00Z","by":"desk","change_failure":true}\n'
SINCE = "--since 2026-01-01 --url {provider}"

STEPS = (
    Step("retention set 30 --confirm {old}", "retention.changed"),
    Step("retention undo", "retention.changed"),
    Step("import deployments -", "data.imported", EVENT),
    Step("import failures -", "data.imported", FAILURE),
    Step("import commits -", "data.imported", COMMIT),
    Step("import pull-requests -", "data.imported", PULL_REQUEST),
    Step("import verdicts -", "data.imported", VERDICT + VERDICT.replace("second", "third")),
    Step("import git {repository} --service web --env production", "data.imported"),
    Step("import datadog --site {provider} --from 2026-01-01", "data.imported"),
    Step("backfill github acme/shop " + SINCE, "data.imported"),
    Step("backfill gitlab acme/shop " + SINCE, "data.imported"),
    Step("backfill pagerduty --source {source} " + SINCE, "data.imported"),
    Step("export deployments", "data.exported"),
    Step("export failures", "data.exported"),
    Step("export commits", "data.exported"),
    Step("export verdicts", "data.exported"),
    Step("backup {folder}/backup.tar.gz", "store.backed_up"),
    Step("check --repair", "store.repaired"),
    Step("keys create api", "key.created"),
    Step("keys rotate {key}", "key.rotated"),
    Step("keys revoke {key}", "key.revoked"),
    Step("link down second", "verdict.set"),
    Step("verdict second --remove", "verdict.removed"),
    Step("erase-activity Dev@example.com", "activity.erased"),
    Step("goals set change_lead_time 2d", "goal.set"),
    Step("goals remove change_lead_time", "goal.removed"),
    Step("annotate moved", "annotation.added"),
    Step("annotate --remove {annotation}", "annotation.removed"),
    Step("links revoke {link}", "link.revoked"),
    Step("settings set -", "settings.changed", '{"team":"another"}'),
    Step("settings alias https://git.example.com/a/b github.com/a/b", "settings.changed"),
    Step("services import {folder}", "settings.changed"),
    Step("sources add github", "source.created"),
    Step("sources set {source} env=another", "source.changed"),
    Step("sources secret {source} --secret another", "source.secret_changed"),
    Step("sources replay {source}", "source.replayed"),
    Step("sources remove {source}", "source.removed"),
    Step("repositories add https://github.com/acme/another", "mirror.added"),
    Step("repositories remove github.com/acme/another", "mirror.removed"),
    Step("notifications add slack slack://T/B/c", "receiver.added"),
    Step("notifications change {receiver} --hour 7", "receiver.changed"),
    Step("notifications test {receiver}", "receiver.tested"),
    Step("notifications retry {receiver} first", "receiver.sent_again"),
    Step("notifications remove {receiver}", "receiver.removed"),
    Step("forwarding drop {parked}", "forwarding.dropped"),
    Step("forwarding retry", "forwarding.retried"),
    Step("forwarding resend", "forwarding.sent_again"),
    Step("forwarding pause", "forwarding.paused"),
    Step("forwarding resume", "forwarding.resumed"),
    Step("forwarding off", "forwarding.ended"),
    Step("forwarding on --site https://dd.example", "forwarding.begun"),
    Step("sessions end {session}", "session.ended"),
    Step("people role {person} editor", "person.role_changed"),
    Step("people teams {person} web", "person.teams_changed"),
    Step("people disable {person}", "person.disabled"),
    Step("people enable {person}", "person.enabled"),
    Step("retention confirm 1000", "retention.confirmed"),
    Step("retention confirm-clock", "retention.clock_confirmed"),
    Step("retention unset", "retention.changed"),
    Step("orgs create plum", "organisation.created"),
    Step("orgs delete plum --confirm 0", "organisation.deletion_planned"),
    Step("orgs undelete plum", "organisation.deletion_withdrawn"),
)
"""In this order, on one store."""

_READS = "it reads"
_FILES = "it makes files, and asks no store"
WITHOUT_ENTRY: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("audit", "explain", "metrics", "report", "search"),
            *("forwarding status", "keys list", "links list", "mcp", "orgs list", "people list"),
            *("goals list", "notifications list", "notifications log", "notifications preview"),
            *("repositories list", "retention preview", "retention show", "sessions list"),
            *("settings preview", "settings services", "settings show"),
            *("sources list", "sources preview", "sources search", "sources show", "sources test"),
        ),
        _READS,
    ),
    "tls init": _FILES,
    "copy": "test_audit_entry.py: it needs two stores",
    "restore": "test_audit_entry.py: it replaces the store",
    "demo": "its settings and verdicts are recorded one by one, like those of people",
    "derive": "what is derived is data",
    "migrate": "the schema changes, and nothing that people set",
    "orgs apply": "test_audit.py of the store: the server's log keeps who deleted what",
    "repositories fetch": "commits are data",
    "retention apply": "test_audit.py of the store: one entry for each round that deletes",
    "serve": "what it makes at its first start is recorded, as its keys",
}


class _Forbidding(BaseHTTPRequestHandler):
    """A provider that refuses everything."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name that the server looks for

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def names(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A store with something of everything; what stands in the arguments of commands."""
    it = make(store, "apple")
    pagerduty = store.sources.all_of(it.org)[0]
    for kind in ("github", "gitlab"):
        store.sources.add(it.org, kind, "", "{}", 1, actor=TESTER).result()
    claim_one(it, NOW_NS).result()
    fail_to_tell(it, "first").result()
    old = store.retention.preview(it.org, 30, time.time_ns())
    repository = make_repository(tmp_path / "repository")
    repository.commit("One")
    repository.git("tag", "v1")
    (tmp_path / "service.datadog.yaml").write_text(
        "schema-version: v2.2\ndd-service: web\nteam: storefront\n"
    )
    for name in ("DD_API_KEY", "DD_APP_KEY", "THEODORA_BACKFILL_TOKEN"):
        monkeypatch.setenv(name, "0" * 32)
    with answering(_Forbidding) as port:
        yield {
            "folder": str(tmp_path),
            "repository": str(tmp_path / "repository"),
            "provider": f"http://127.0.0.1:{port}",
            "source": pagerduty.id,
            "key": it.key.id,
            "link": it.shared.id,
            "receiver": receiver_of(it).id,
            "annotation": store.annotations.newest(it.org, 1)[0].id,
            "session": it.session.id,
            "person": ADA,
            "parked": str(store.forwarding.parked(it.org, 1)[0].number),
            "old": str(old.deployments + old.failures),
        }


def arguments_of(step: Step, names: Mapping[str, str]) -> list[str]:
    """The words of the step, and the organisation where the command takes one."""
    words = step.command.format_map(names).split()
    command, context = main, click.Context(main)
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(context, word)
    assert command
    takes_org = any("--org" in parameter.opts for parameter in command.params)
    return [*words, "--org", "apple"] if takes_org else words


def chains(store: Store) -> list[Organisation | None]:
    """Every organisation, and None for the server's own log."""
    return [None, *(each.organisation for each in store.organisations.everything())]


def newest(store: Store) -> Mapping[str, int]:
    """The number of the newest entry, by organisation."""
    return {str(org): store.audit.chain(org).last_number for org in chains(store)}


def since(store: Store, before: Mapping[str, int]) -> Iterator[AuditEntry]:
    for org in chains(store):
        for entry in store.audit.entries(org, AuditQuery()):
            if entry.number > before.get(str(org), 0):
                yield entry


def every_command() -> set[str]:
    return {
        name.removeprefix("theodora ")
        for name, command in commands(main, "theodora")
        if not isinstance(command, click.Group) or command.invoke_without_command
    }


def test_every_command_has_a_step_or_a_reason() -> None:
    walked = {
        name
        for name in every_command()
        for step in STEPS
        if f"{step.command} ".startswith(f"{name} ")
    }
    assert walked.isdisjoint(WITHOUT_ENTRY)
    assert walked | WITHOUT_ENTRY.keys() == every_command()


def test_each_command_leaves_exactly_one_entry(
    store: Store, database: str, names: dict[str, str]
) -> None:
    wrong: list[tuple[str, list[str], str]] = []
    for step in STEPS:
        before = newest(store)
        ended = run(*arguments_of(step, names), "--database", database, given=step.given)
        new = [*since(store, before)]
        said = [each.action for each in new]
        # A verdict is given by a person, whom the command names.
        is_right = said == [step.action] and new[0].actor.kind in {"command", "person"}
        if not is_right or ended.exit_code > 1:
            wrong.append((step.command, said, ended.output[-300:]))
    assert not wrong, "\n".join(map(str, wrong))
