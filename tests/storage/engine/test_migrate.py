"""Migrations: in order, once, wholly or not at all; and databases that are refused."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from actors import TESTER
from forked_serving import together_forked
from theodora.errors import UnusableSetting, UnusableStore
from theodora.storage import Store
from theodora.storage.engine.migrate import (
    Kind,
    Migration,
    _apply_if_missing,
    applied_number,
    migrations,
)
from theodora.storage.engine.sqlite.connection import connect_writer
from theodora.storage.engine.sqlite.database import migrate_file
from theodora.storage.engine.sqlite.schema import SqliteSchema
from theodora.storage.open import sqlite_path


def rows(path: Path, statement: str) -> list[Any]:
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "theodora.db"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_migration_has_a_number_of_its_own(kind: Kind) -> None:
    numbers = [migration.number for migration in migrations(kind)]
    assert numbers == sorted(set(numbers))


def test_every_kind_of_database_has_the_same_migrations() -> None:
    sqlite, postgresql = migrations("sqlite"), migrations("postgresql")
    assert [(each.number, each.title) for each in sqlite] == [
        (each.number, each.title) for each in postgresql
    ]


def test_every_migration_is_applied_once_and_recorded(path: Path) -> None:
    assert migrate_file(path) == migrations()
    assert migrate_file(path) == ()
    recorded = rows(path, "SELECT number, title FROM migrations ORDER BY number")
    assert recorded == [(migration.number, migration.title) for migration in migrations()]


def test_no_index_is_made_twice(path: Path) -> None:
    migrate_file(path)
    made = rows(path, "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''")
    names: dict[str, list[str]] = defaultdict(list)
    for name, sql in made:
        names[" ".join(sql.partition(" ON ")[2].split())].append(name)
    assert [same for same in names.values() if len(same) > 1] == []


def test_a_database_of_an_older_version_is_brought_up_to_date(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        connection.execute(
            "CREATE TABLE migrations (number INTEGER PRIMARY KEY, title TEXT NOT NULL, "
            "applied_at_ns BIGINT NOT NULL)"
        )
        assert _apply_if_missing(SqliteSchema(connection), migrations()[0], 1)
    assert migrate_file(path) == migrations()[1:]


def test_a_migration_that_was_left_out_is_applied_later(path: Path) -> None:
    """As when two were made side by side, and a database has seen the later one alone."""
    migrate_file(path)
    with closing(connect_writer(path)) as connection:
        connection.execute("UPDATE migrations SET number = 0 WHERE number = 10")
        connection.execute("ALTER TABLE keys DROP COLUMN last_used_at_ns")
    assert [each.number for each in migrate_file(path)] == [10]


def test_sessions_and_links_stay_with_their_keys_and_people(path: Path) -> None:
    """What refers to a key gets another reference; a session of another's key ends."""
    with closing(connect_writer(path)) as connection:
        schema = SqliteSchema(connection)
        schema.execute("CREATE TABLE migrations (number, title, applied_at_ns)")
        for migration in migrations():
            if migration.number == _REFERENCES_WITH_ORGANISATION:
                connection.execute(_REFERRING)
            _apply_if_missing(schema, migration, 1)
        assert connection.pragma("foreign_key_check") is None
        with pytest.raises(apsw.ConstraintError):
            connection.execute("UPDATE sessions SET org = 2 WHERE id = 's1'")
    for table in ("sessions", "share_links"):
        found = rows(path, f"SELECT org, id, key_id, person_id FROM {table} ORDER BY id")
        assert found == [(1, "s1", "k", None), (1, "s2", None, "p")], table
    assert rows(path, "SELECT org, service, env, generation FROM sequences ORDER BY env") == [
        (1, "web", "", 9),
        (1, "web", "live", 4),
    ]


_REFERENCES_WITH_ORGANISATION = 46
_REFERRING = """
INSERT INTO organisations (org, uuid, name, created_at_ns)
  VALUES (1, 'a', 'a', 1), (2, 'b', 'b', 1);
INSERT INTO keys (org, id, kind, name, hash, permissions, created_at_ns)
  VALUES (1, 'k', 'application', '', 'h1', '', 1), (2, 'l', 'application', '', 'h2', '', 1);
INSERT INTO people (org, id, issuer, subject, name, email, role, created_at_ns, last_seen_at_ns)
  VALUES (1, 'p', 'i', 's', 'Ada', '', 'owner', 1, 1);
INSERT INTO sessions (
    org, id, hash, key_id, person_id, signed_in_at_ns, renewed_at_ns, seen_at_ns)
  VALUES (1, 's1', '1', 'k', NULL, 1, 1, 1), (1, 's2', '2', NULL, 'p', 1, 1, 1),
    (1, 's3', '3', 'l', NULL, 1, 1, 1);
INSERT INTO share_links (
    org, id, hash, path, query, key_id, person_id, created_at_ns, expires_at_ns)
  VALUES (1, 's1', '1', '/', '', 'k', NULL, 1, 2), (1, 's2', '2', '/', '', NULL, 'p', 1, 2),
    (1, 's3', '3', '/', '', 'l', NULL, 1, 2);
INSERT INTO sequences (org, service, env, generation)
  VALUES (1, 'web', 'live', 4), (1, 'web', NULL, 7), (1, 'web', NULL, 9);
"""


def test_processes_that_start_together_apply_each_migration_once(path: Path) -> None:
    applied = together_forked(4, migrate_file, path)
    assert sum(map(len, applied)) == len(migrations())


@pytest.fixture
def connection(path: Path) -> Iterator[apsw.Connection]:
    migrate_file(path)
    with closing(connect_writer(path)) as connection:
        yield connection


def test_a_migration_that_fails_leaves_nothing(connection: apsw.Connection) -> None:
    newest = applied_number(SqliteSchema(connection))
    broken = Migration(newest + 1, "broken", "CREATE TABLE half (a); CREATE TABLE half (a)")
    with pytest.raises(apsw.SQLError):
        _apply_if_missing(SqliteSchema(connection), broken, 1)
    assert applied_number(SqliteSchema(connection)) == newest
    assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").get is None


def test_a_database_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    migrate_file(path)
    newest = migrations()[-1].number
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("INSERT INTO migrations VALUES (?, 'to come', 1)", (newest + 1,))
    with pytest.raises(UnusableStore, match=f"at migration {newest + 1}, this version knows"):
        Store(f"sqlite:///{path}")
    assert rows(path, "SELECT max(number) FROM migrations") == [(newest + 1,)]


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    content = b"not a database, but long enough to look at " * 100
    path.write_bytes(content)
    with pytest.raises(UnusableStore, match="is not a sound SQLite database"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(UnusableStore, match="cannot be opened"):
        Store(f"sqlite:///{tmp_path}")


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "theodora.db"
    with Store(f"sqlite:///{path}") as store:
        store.check()
    assert path.exists()


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_only_its_owner_can_read_a_new_file_and_the_logs_beside_it(
    tmp_path: Path, umask: int
) -> None:
    path = tmp_path / "theodora.db"
    former = os.umask(umask)
    try:
        with Store(f"sqlite:///{path}") as store:
            store.keys.ensure_organisation("default", 1, actor=TESTER).result()
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(former)
    names = ("theodora.db", "theodora.db-shm", "theodora.db-wal")
    assert modes == dict.fromkeys(names, 0o600)


def test_the_password_of_another_kind_of_database_is_not_shown() -> None:
    with pytest.raises(UnusableSetting) as refused:
        sqlite_path("mysql://user:secret@host/name")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "theodora.db", "sqlite://theodora.db", "sqlite:///", "pg:///x"]
)
def test_what_is_no_url_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(UnusableSetting, match="must have the form"):
        sqlite_path(url)


def test_commits_wait_for_the_disk(connection: apsw.Connection) -> None:
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("foreign_keys") == 1
