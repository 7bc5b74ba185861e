"""A check finds a fault in any table, and none in a store that is sound."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from actors import TESTER
from commands import run
from databases import ON_POSTGRESQL, ON_SQLITE, Databases
from storage.copy.test_copy import SHAPES, TWENTIETH, fill
from theodora.errors import UnusableStore
from theodora.storage import Store
from theodora.storage.check.check import Checked, check_store
from theodora.storage.events.segments import segment_some
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.open import migrate_database, open_copy

FAULTS: Mapping[str, tuple[str, ...]] = {
    "migrations": (
        "DELETE FROM migrations WHERE number = 5",
        "INSERT INTO migrations (number, title, applied_at_ns) VALUES (9999, 'to come', 1)",
    ),
    "counters": (
        "DELETE FROM counters WHERE name = 'repository_rules'",
        "DELETE FROM counters WHERE org = 2 AND name = 'receipt'",
        "INSERT INTO counters (org, name, value) VALUES (9, 'receipt', 1)",
        "UPDATE counters SET value = value + 1000000 WHERE name = 'deployments_indexed'",
        "UPDATE counters SET value = -1 WHERE name = 'repository_rules'",
    ),
    "organisations": (
        "UPDATE organisations SET uuid = 'x' WHERE org = 2",
        "UPDATE counters SET value = 1 WHERE name = 'organisation'",
    ),
    "usage": (
        "UPDATE usage SET events = events + 1 WHERE org = 1",
        "UPDATE usage SET bytes = bytes - 1 WHERE org = 1",
        "UPDATE usage SET repositories = 0 WHERE org = 1",
        "DELETE FROM usage WHERE org = 2",
    ),
    "keys": (
        "UPDATE keys SET hash = 'plain'",
        "UPDATE keys SET permissions = 'dora_metrics_read everything'",
        'UPDATE keys SET limits = \'{"networks":["somewhere"]}\'',
        "UPDATE keys SET limits = '[]'",
    ),
    "key_addresses": (
        "UPDATE key_addresses SET key_id = 'x'",
        "UPDATE key_addresses SET first_at_ns = last_at_ns + 1",
    ),
    "key_activity": ("UPDATE key_activity SET requests = 0",),
    "refusals": ("UPDATE refusals SET first_at_ns = last_at_ns + 1",),
    "ignored_members": ("UPDATE ignored_members SET requests = -1",),
    "sessions": (
        "UPDATE sessions SET hash = 'x' WHERE key_id IS NULL",
        "UPDATE sessions SET seen_at_ns = signed_in_at_ns - 1",
        "UPDATE sessions SET key_id = NULL",
    ),
    "share_links": (
        "UPDATE share_links SET hash = 'x'",
        "UPDATE share_links SET path = 'x'",
        "UPDATE share_links SET expires_at_ns = created_at_ns - 1",
        "UPDATE share_links SET person_id = NULL",
    ),
    "annotations": ("UPDATE annotations SET text = 'another'", "UPDATE annotations SET at_ns = 2"),
    "saved_views": ("UPDATE saved_views SET path = 'x'",),
    "goals": ("UPDATE goals SET value = 0", "UPDATE goals SET team = 'a', service = 'b'"),
    "receivers": (
        "UPDATE receivers SET kind = 'pager'",
        "UPDATE receivers SET url = ''",
        "UPDATE receivers SET secret = ''",
    ),
    "messages": (
        "UPDATE messages SET state = 'lost'",
        "UPDATE messages SET settled_at_ns = 1",
    ),
    "people": (
        "UPDATE people SET role = 'king'",
        "UPDATE people SET subject = 'somebody else'",
        "UPDATE people SET teams = '{}'",
        "UPDATE people SET last_seen_at_ns = created_at_ns - 1",
    ),
    "settings": (
        "UPDATE settings SET document = '{' WHERE service = 'web'",
        "UPDATE settings SET document = '[]' WHERE service = 'web'",
    ),
    "retention": ("UPDATE retention SET days = 0",),
    "retention_plans": (
        "INSERT INTO retention_plans (org, days, begins_at_ns, confirmed) VALUES (2, 0, 1, 0)",
    ),
    "retention_refusals": (
        "INSERT INTO retention_refusals (org, at_ns, reason) VALUES (2, 1, '')",
    ),
    "organisation_deletions": (
        "INSERT INTO organisation_deletions (org, uuid, begins_at_ns) VALUES (99, 'x', 1)",
        "UPDATE organisation_deletions SET begun_at_ns = NULL",
        "UPDATE organisation_deletions SET begun_at_ns = begins_at_ns - 1",
    ),
    "organisations_to_index": ("INSERT INTO organisations_to_index (org) VALUES (99)",),
    "stale_teams": (
        "INSERT INTO stale_teams (org, service, up_to) VALUES (1, 'x', 2000000000000)",
    ),
    "stale_bots": ("INSERT INTO stale_bots (org, repository, number) VALUES (1, -2, -1)",),
    "repositories": (
        "UPDATE repositories SET match_key = 'x'",
        "UPDATE repositories SET generation = -1",
    ),
    "commits": (
        "UPDATE commits SET paths = 'x' WHERE sha LIKE '%7'",
        "UPDATE commits SET parents = 'x' WHERE sha LIKE '%7'",
        (
            "INSERT INTO commits (org, repository, sha, received, parents, author_time_ns, "
            "commit_time_ns, subject, message) "
            "SELECT org, 99, sha, 1, '', 1, 1, '', '' FROM commits LIMIT 1"
        ),
    ),
    "pull_requests": (
        "UPDATE pull_requests SET document = '{\"number\":99}'",
        "UPDATE pull_requests SET document = 'x'",
        "UPDATE pull_requests SET repository = 99",
        "UPDATE pull_requests SET org = 2",
    ),
    "mirrors": ("UPDATE mirrors SET url = ''", "UPDATE mirrors SET failures = -1"),
    "sources": (
        "UPDATE sources SET secret = ''",
        "UPDATE sources SET settings = '[]'",
    ),
    "common_source_settings": ("UPDATE common_source_settings SET settings = '[]'",),
    "inbox": (
        "UPDATE inbox SET state = 'lost'",
        "UPDATE inbox SET headers = '[]'",
        "UPDATE inbox SET number = number + 1000000 WHERE state = 'waiting'",
    ),
    "leases": ("UPDATE leases SET work = 'x'",),
    "forwarding": (
        "UPDATE forwarding SET queued = queued + 1",
        "UPDATE forwarding SET app_key = ''",
    ),
    "outbox": (
        "UPDATE outbox SET state = 'lost'",
        "UPDATE outbox SET document = '[]'",
        "UPDATE outbox SET number = 3 * number WHERE number = (SELECT max(number) FROM outbox)",
        "DELETE FROM forwarding",
    ),
    "audit_entries": (
        "UPDATE audit_entries SET actor_name = 'nobody' WHERE number = 2",
        "UPDATE audit_entries SET at_ns = at_ns + 1 WHERE number = 2",
        "UPDATE audit_entries SET new_values = '{}' WHERE number = 1",
        "UPDATE audit_entries SET hash = '' WHERE number = 2",
        "UPDATE audit_entries SET number = number + 1000000 WHERE number = 2",
        "UPDATE audit_entries SET org = 1000000 WHERE org = 1",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE number = 1",
        "DELETE FROM audit_entries WHERE number = 2",
        "DELETE FROM audit_entries WHERE number = (SELECT max(number) FROM audit_entries)",
        "UPDATE audit_chains SET last_number = last_number - 1",
        "UPDATE audit_chains SET last_hash = ''",
        "UPDATE audit_chains SET removed_number = 1",
    ),
    "audit_chains": (
        "UPDATE audit_chains SET org = org + 1000000",
        "DELETE FROM audit_chains",
    ),
    "source_things": ("UPDATE source_things SET event = 'nothing'",),
    "source_facts": (
        "UPDATE source_facts SET document = '7'",
        "UPDATE source_facts SET thing = 'nothing'",
    ),
    "source_keys": ("UPDATE source_keys SET thing = 'nothing'",),
    "correlations": (
        "UPDATE correlations SET delivery = delivery + 1000000",
        "UPDATE correlations SET commit_sha = 'x'",
        "UPDATE correlations SET repository_id = 'x'",
    ),
    "user_activity": (
        "UPDATE user_activity SET day = 'today'",
        "UPDATE user_activity SET models = '{}'",
    ),
    "deployments": (
        f"UPDATE deployments SET document = '{{}}' WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET words = '' WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET other_words = '' WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET duration = duration + 1 WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET repository_id = 'x' WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET change_lead_time = 1 WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET avg_time_to_deploy = 1 WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET receipt = receipt + 1000000 WHERE key = {TWENTIETH}",
        f"UPDATE deployments SET key = {TWENTIETH} + 900 WHERE org = 2",
    ),
    "deployment_elements": (
        f"DELETE FROM deployment_elements WHERE event = {TWENTIETH}",
        f"INSERT INTO deployment_elements VALUES (1, {TWENTIETH}, '@x', 'y')",
        f"INSERT INTO deployment_elements VALUES (2, {TWENTIETH}, '@x', 'y')",
        "INSERT INTO deployment_elements (org, event, field, value) VALUES (1, 9999, '@x', 'y')",
    ),
    "deployment_postings": (
        f"DELETE FROM deployment_postings WHERE event = {TWENTIETH} AND term = 'service:web'",
        f"UPDATE deployment_postings SET started_at_ns = 1 WHERE event = {TWENTIETH}",
        "INSERT INTO deployment_postings (org, term, started_at_ns, event) VALUES (1, 'x:y', 1, 9)",
        (
            "INSERT INTO deployment_postings (org, term, started_at_ns, event) "
            "VALUES (1, 'x:y', 1, 9999)"
        ),
    ),
    "deployment_numbers": (
        f"DELETE FROM deployment_numbers WHERE event = {TWENTIETH}",
        f"UPDATE deployment_numbers SET value = value + 1 WHERE event = {TWENTIETH}",
        "INSERT INTO deployment_numbers (org, field, value, event) VALUES (1, 'x', 1, 9999)",
    ),
    "deployment_words": ("DELETE FROM deployment_words WHERE term = 'service:web'",),
    "deployment_measures": (
        f"UPDATE deployment_measures SET digest = digest + 1 WHERE deployment = {TWENTIETH}",
        f"UPDATE deployment_measures SET negative_spans = 7 WHERE deployment = {TWENTIETH}",
        f"UPDATE deployment_measures SET derivation = NULL WHERE deployment = {TWENTIETH}",
        f"UPDATE deployment_measures SET deployment = 9999 WHERE deployment = {TWENTIETH}",
        f"UPDATE deployment_measures SET org = 2 WHERE deployment = {TWENTIETH}",
        f"DELETE FROM deployment_measures WHERE deployment = {TWENTIETH}",
    ),
    "deployment_commits": (
        f"UPDATE deployment_commits SET commits = '[[],[],[]]' WHERE deployment = {TWENTIETH}",
        f"UPDATE deployment_commits SET deployment = 9999 WHERE deployment = {TWENTIETH}",
        f"UPDATE deployment_commits SET org = 2 WHERE deployment = {TWENTIETH}",
        f"DELETE FROM deployment_commits WHERE deployment = {TWENTIETH}",
    ),
    "pull_request_deployments": (
        "UPDATE pull_request_deployments SET number = 99",
        "UPDATE pull_request_deployments SET deployment = deployment + 9999",
        "UPDATE pull_request_deployments SET in_production = 1 - in_production",
        "UPDATE pull_request_deployments SET org = 2",
        "DELETE FROM pull_request_deployments",
    ),
    "pull_request_elements": (
        "UPDATE pull_request_elements SET number = 99",
        "UPDATE pull_request_elements SET repository = 99",
        "UPDATE pull_request_elements SET org = 2",
    ),
    "verdicts": (
        "UPDATE verdicts SET given_by = 'somebody'",
        "UPDATE verdicts SET deployment = 9999",
        "UPDATE verdicts SET org = 2",
        "UPDATE verdicts SET failure_ids = 'f1'",
        "DELETE FROM verdict_acts",
    ),
    "verdict_acts": (
        "UPDATE verdict_acts SET number = number + 1000000",
        "UPDATE verdict_acts SET deployment = 9999",
        "UPDATE verdict_acts SET org = 2",
        "UPDATE verdict_acts SET failure_ids = 'f1'",
    ),
    "failures": (
        "UPDATE failures SET document = '{}'",
        "UPDATE failures SET time_to_restore = 7",
    ),
    "failure_elements": (
        "DELETE FROM failure_elements",
        "INSERT INTO failure_elements (org, event, field, value) VALUES (1, 9999, '@x', 'y')",
    ),
    "failure_postings": ("DELETE FROM failure_postings WHERE term = 'service:cart'",),
    "failure_numbers": (
        "INSERT INTO failure_numbers (org, field, value, event) VALUES (1, 'x', 1, 9999)",
    ),
    "failure_words": ("DELETE FROM failure_words WHERE term = 'service:cart'",),
    "parked_sequences": (
        (
            "INSERT INTO parked_sequences (org, service, env, since_ns, tried_at_ns, next_at_ns, "
            "tries, error) VALUES (1, 'x', '', 1, 2, 3, 0, 'a rule')"
        ),
    ),
    "sequences": ("UPDATE sequences SET generation = 0",),
    "deployment_unsegmented": (
        "INSERT INTO deployment_unsegmented (org, event) VALUES (1, 1000000)",
        "UPDATE deployment_unsegmented SET org = 3",
    ),
    "deployment_segments": ("UPDATE deployment_segments SET events = substr(events, 2)",),
    "deployment_trigrams": (
        "UPDATE deployment_trigrams SET entries = substr(entries, 2)",
        "UPDATE deployment_trigrams SET segment = segment + 9",
        "UPDATE deployment_trigrams SET entries = substr(entries, 11)",
        "DELETE FROM deployment_trigrams WHERE bucket > 200",
        "DELETE FROM deployment_segments",
    ),
    "failure_unsegmented": ("INSERT INTO failure_unsegmented (org, event) VALUES (1, 1000000)",),
    "failure_segments": ("UPDATE failure_segments SET events = substr(events, 2)",),
    "failure_trigrams": (
        "UPDATE failure_trigrams SET entries = substr(entries, 2)",
        "UPDATE failure_trigrams SET segment = segment + 9",
        "UPDATE failure_trigrams SET entries = substr(entries, 11)",
        "DELETE FROM failure_trigrams WHERE bucket > 200",
        "DELETE FROM failure_segments",
    ),
    "marks": ("INSERT INTO marks (number, org, kind) VALUES (100000, 1, 'service')",),
    "changes": ("UPDATE changes SET event = event + 1000000 WHERE number = 20",),
}
"""Statements that damage a row of each table, so that the finding is of that table."""

REPAIRED = (
    "UPDATE counters SET value = value + 1000000 WHERE name = 'deployments_indexed'",
    *FAULTS["usage"],
    *FAULTS["deployment_elements"],
    *FAULTS["deployment_postings"],
    *FAULTS["deployment_numbers"],
    *FAULTS["deployment_words"],
    *FAULTS["deployment_measures"],
    *FAULTS["deployment_commits"],
    *FAULTS["pull_request_deployments"],
    *FAULTS["failure_elements"],
    *FAULTS["failure_postings"],
    *FAULTS["failure_numbers"],
    *FAULTS["failure_words"],
    *(
        statement
        for kind in ("deployment", "failure")
        for table in ("unsegmented", "segments", "trigrams")
        for statement in FAULTS[f"{kind}_{table}"]
    ),
    *FAULTS["sequences"],
)


def fill_and_derive(url: str) -> None:
    """Something in every table but the marks, everything derived and indexed."""
    fill(url)
    with Store(url) as store:
        store.derivations.derive_all_queued(actor=TESTER)
    with open_copy(url) as raw:
        # What is derived has changed their words.
        segment_some(raw.cursor, DEPLOYMENTS, 1, size=20)
        # The failure is in a segment.
        raw.cursor.execute("DELETE FROM failure_unsegmented")


@pytest.fixture
def sound(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """A store without faults."""
    with databases.new(tmp_path, fill_and_derive) as url:
        yield url


def checked(url: str) -> Checked:
    return check_store(url, lambda *_: None)


def damaged(url: str, statement: Any) -> None:
    with open_copy(url) as raw:
        raw.cursor.execute(statement)


def test_a_sound_store_has_no_faults(sound: str):
    found = checked(sound)
    assert [str(each) for each in found.findings] == []
    assert (found.deployments, found.failures, found.underived) == (41, 1, 0)
    result = run("check", "--database", sound)
    assert (result.exit_code, result.stdout) == (
        0,
        "checked 41 deployments and 1 failures: no faults\n",
    )


def test_every_table_has_a_fault_that_is_planted(databases: Databases, sound: str):
    with open_copy(sound) as raw:
        tables = {table for table, _, _ in raw.cursor.execute(SHAPES[databases.kind]).fetchall()}
    assert tables == FAULTS.keys()


each_fault = pytest.mark.parametrize(
    ("table", "statement"),
    [(table, statement) for table, statements in FAULTS.items() for statement in statements],
)


@ON_SQLITE
@each_fault
def test_a_fault_in_any_table_is_found(sound: str, table: str, statement: Any):
    assert_found(sound, table, statement)


@pytest.mark.slow
@ON_POSTGRESQL
@each_fault
def test_a_fault_in_any_table_of_postgresql_is_found(sound: str, table: str, statement: Any):
    assert_found(sound, table, statement)


def assert_found(sound: str, table: str, statement: Any) -> None:
    damaged(sound, statement)
    found = checked(sound)
    assert table in {each.table for each in found.findings}, [str(each) for each in found.findings]
    assert all(each.advice for each in found.findings)


ALONE = ("migrations", "deployment_measures", "deployment_commits")
"""Tables whose first fault hides others, or is hidden by them."""


@ON_POSTGRESQL
@pytest.mark.parametrize("alone", ["", *ALONE])
def test_the_first_fault_of_each_table_of_postgresql_is_found(sound: str, alone: str):
    """In one copy of the store, as a copy takes PostgreSQL longer than a check."""
    tables = [alone] if alone else [table for table in FAULTS if table not in ALONE]
    for table in tables:
        damaged(sound, FAULTS[table][0])
    assert {each.table for each in checked(sound).findings} >= {*tables}


@ON_POSTGRESQL
def test_rows_of_an_organisation_that_is_gone_are_found_in_every_table(sound: str):
    """SQLite finds them itself, by their foreign keys; PostgreSQL only prevents them."""
    with open_copy(sound) as raw:
        raw.cursor.execute("SET session_replication_role = replica")
        tables = {table for (table,) in raw.cursor.execute(_TABLES_WITH_ORG).fetchall()}
        for table in tables:
            for statement in FAULTS[table]:
                if statement.startswith("INSERT"):
                    raw.cursor.execute(statement)
            first = f"SELECT min(org) FROM {table} WHERE org > 0"
            raw.cursor.execute(f"UPDATE {table} SET org = 77 WHERE org = ({first})")
    found = {each.table for each in checked(sound).findings}
    assert sorted(table for table in tables - found if not _OF_OTHER_ROWS.fullmatch(table)) == []


_OF_OTHER_ROWS = re.compile(
    r"(deployment|failure|pull_request)_.*|verdicts|verdict_acts|pull_requests"
)
"""Tables whose rows are of an event or a repository, which have moved with them."""

_TABLES_WITH_ORG = (
    "SELECT table_name FROM information_schema.columns WHERE column_name = 'org' "
    "AND table_schema = current_schema() AND table_name <> 'organisations'"
)


def test_what_can_be_computed_is_repaired(sound: str):
    for statement in REPAIRED:
        damaged(sound, statement)
    damaged(sound, "UPDATE deployments SET change_failure = NULL, failed_by = NULL WHERE org = 1")
    result = run("check", "--database", sound)
    assert result.exit_code == 1
    assert "run theodora check --repair" in result.stdout
    result = run("check", "--repair", "--database", sound)
    lines = [line for line in result.stdout.splitlines() if "document differs" not in line]
    assert lines == ["checked 41 deployments and 1 failures: no faults"], result.stdout


def test_a_damaged_page_of_a_file_is_found(tmp_path: Path):
    path = tmp_path / "theodora.db"
    url = f"sqlite:///{path}"
    fill(url)
    content = bytearray(path.read_bytes())
    size = 8192
    pages = len(content) // size
    for page in range(pages // 2, pages // 2 + 4):
        content[page * size : (page + 1) * size] = b"\x99" * size
    path.write_bytes(content)
    result = run("check", "--database", url)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "database" in result.output


def test_what_waits_to_be_derived_is_counted(database: str):
    fill(database)
    found = checked(database)
    assert found.underived == 40
    assert not found.findings


def test_what_is_no_store_is_said_to_be_none(tmp_path: Path):
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(UnusableStore, match="is no store of Theodora"):
        checked(f"sqlite:///{path}")
    migrate_database(f"sqlite:///{path}")
    assert not checked(f"sqlite:///{path}").findings
