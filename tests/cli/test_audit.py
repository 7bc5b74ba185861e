"""`theodora audit`, and what commands leave in the audit log."""

import csv
import io
import json

import pytest
from click.testing import CliRunner, Result

from databases import ON_SQLITE
from theodora.cli import main
from theodora.storage import Organisation, Store
from theodora.storage.access.audit import AuditQuery

pytestmark = ON_SQLITE

EVENT = (
    '{"service":"shop","started_at":1700000000000000000,"finished_at":1700000060000000000,'
    '"id":"one"}\n'
)


def run(database: str, *arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(main, [*arguments, "--database", database], input=given)


def test_the_log_is_shown_as_a_table_as_json_and_as_csv(
    store: Store, org: Organisation, database: str
) -> None:
    assert run(database, "keys", "create", "api", "--name", "CI", "--org", org.name).exit_code == 0
    entry = store.audit.entries(org, AuditQuery())[0]
    assert (entry.actor.kind, entry.actor.name) == ("command", "keys create")
    assert entry.actor.id
    shown = ("audit", "--org", org.name, "--action", "key", "--limit", "1")
    table = run(database, *shown).output.splitlines()
    assert table[0].split() == ["number", "time", "who", "from", "action", "target"]
    assert "command keys create" in table[1]
    assert f"key.created  {entry.target}" in table[1]
    [line] = run(database, *shown, "--format", "json").output.splitlines()
    assert json.loads(line)["hash"] == entry.hash
    rows = [*csv.DictReader(io.StringIO(run(database, *shown, "--format", "csv").output))]
    assert [row["number"] for row in rows] == [str(entry.number)]
    before = run(database, *shown, "--before", str(entry.number))
    assert before.output == "no entries\n"


def test_entries_are_searched_in_the_language_of_events(
    store: Store, org: Organisation, database: str
) -> None:
    for kind, name in (("api", "CI"), ("api", "spare"), ("application", "CI")):
        created = run(database, "keys", "create", kind, "--name", name, "--org", org.name)
        assert created.exit_code == 0
    keys = {(each.kind, each.name): each.id for each in store.keys.all_of(org.name)}
    assert run(database, "keys", "revoke", keys["api", "CI"], "--org", org.name).exit_code == 0

    def found(query: str, *others: str) -> list[tuple[str, str]]:
        asked = ("audit", "--org", org.name, "--format", "json", "--query", query, *others)
        shown = run(database, *asked)
        assert shown.exit_code == 0, shown.output
        entries = [json.loads(line) for line in shown.output.splitlines()]
        return [(each["action"], each["target"]) for each in entries]

    revoked = ("key.revoked", keys["api", "CI"])
    of_ci = [("key.created", keys["application", "CI"]), ("key.created", keys["api", "CI"])]
    spare = ("key.created", keys["api", "spare"])
    assert found("action:key.* -after:*application*") == [revoked, spare, of_ci[1]]
    assert found("after:*CI* AND action:key.created") == of_ci
    assert found("(action:key.revoked OR after:*spare*) -outcome:refused") == [revoked, spare]
    # Other filters count too, and a page of older entries goes on with the search.
    assert found("action:key.*", "--action", "key.revoked") == [revoked]
    assert found("after:*CI*", "--limit", "1") == of_ci[:1]
    number = store.audit.entries(org, AuditQuery(target=of_ci[0][1]))[0].number
    assert found("after:*CI*", "--before", str(number)) == of_ci[1:]
    assert found("actor:nobody") == []


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        (("import", "deployments", "-"), "data.imported"),
        (("export", "deployments", "--output", "-"), "data.exported"),
    ],
)
def test_a_command_that_moves_data_leaves_one_entry(
    store: Store, org: Organisation, database: str, arguments: tuple[str, ...], action: str
) -> None:
    before = len(store.audit.entries(org, AuditQuery()))
    ended = run(database, *arguments, "--org", org.name, given=EVENT)
    assert ended.exit_code == 0, ended.output
    entries = store.audit.entries(org, AuditQuery())
    assert [each.action for each in entries[: len(entries) - before]] == [action]


def test_what_concerns_no_organisation_is_shown_apart(store: Store, database: str) -> None:
    run(database, "check", "--repair")
    shown = run(database, "audit", "--server", "--format", "json").output
    assert json.loads(shown)["action"] == "store.repaired"
    assert run(database, "retention", "confirm-clock").exit_code == 0
    assert store.audit.entries(None, AuditQuery())[0].action == "retention.clock_confirmed"


def test_a_wrong_filter_is_explained(store: Store, org: Organisation, database: str) -> None:
    refused = run(database, "audit", "--org", org.name, "--outcome", "maybe")
    assert refused.exit_code == 1
    assert "must be one of" in refused.output
    refused = run(database, "audit", "--org", org.name, "--query", "action:key (service:shop")
    assert refused.exit_code == 1
    assert 'missing ")" at position 12' in refused.output
