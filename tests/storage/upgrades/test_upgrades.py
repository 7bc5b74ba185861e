"""Databases that older versions have left: migrated, served, and gone back to.

`record.py` made the files; each is named after the version and the day of its last commit.
"""

import gzip
import os
import re
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import requests

from actors import TESTER
from commands import run
from databases import Kind
from forked_serving import forked
from postgresql import PROGRAMS, PostgresqlServer
from serving import KEYS
from theodora.errors import Unavailable
from theodora.events import Deployment
from theodora.query import Kind as EventKind
from theodora.query import parse, sort_key
from theodora.storage import Selection, Store
from theodora.storage.engine.sqlite.database import migrate_file
from theodora.storage.open import migrate_database, open_original

ROOT = Path(__file__).parents[3]
_RECORDED = sorted(Path(__file__).parent.glob("*.sql.gz"))
_OF_SQLITE = [each for each in _RECORDED if ".sqlite." in each.name]
_OF_POSTGRESQL = [each for each in _RECORDED if each not in _OF_SQLITE]
_OF_ONE = 24
"""Deployments that `record.py` makes in each of two organisations."""
_PATIENCE_SECONDS = 60


def _kind(recorded: Path) -> Kind:
    return "sqlite" if recorded in _OF_SQLITE else "postgresql"


def _as_file(recorded: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(gzip.decompress(recorded.read_bytes()).decode())


@contextmanager
def _as_database(recorded: Path, server: PostgresqlServer, worker: str) -> Iterator[str]:
    name = f"upgraded_{worker}"
    server.execute(f"CREATE DATABASE {name}")
    url = server.url(name)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(gzip.decompress(recorded.read_bytes()))
        yield url
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=_RECORDED, ids=lambda recorded: recorded.name.removesuffix(".sql.gz"))
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database as an older version has left it."""
    if _kind(request.param) == "sqlite":
        _as_file(request.param, tmp_path / "theodora.db")
        yield f"sqlite:///{tmp_path / 'theodora.db'}"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    worker: str = request.getfixturevalue("worker_id")
    with _as_database(request.param, server, worker) as url:
        yield url


def test_a_store_of_an_older_version_is_migrated_and_has_no_faults(left: str) -> None:
    copied = () if left.startswith("sqlite") else ("--no-copy",)
    assert "applied" in run("migrate", *copied, "--database", left).stdout
    assert run("derive", "--database", left).exit_code == 0
    checked = run("check", "--database", left)
    assert checked.stdout == f"checked {2 * _OF_ONE} deployments and 18 failures: no faults\n"
    for org in ("default", "other"):
        exported = run("export", "deployments", "--org", org, "--database", left).stdout
        assert exported.count("\n") == _OF_ONE
        kept = run("verdict", "--org", org, "--database", left, f"{org}-7").stdout
        assert "release desk" in kept


_OF_REPOSITORY = "JOIN repositories o ON o.key = t.repository"
_OF_DEPLOYMENT = "JOIN deployments o ON o.key = t.{}"
_GIVEN_ORGANISATION: Mapping[str, tuple[str, str]] = {
    "repositories": ("key, repository_id", ""),
    "commits": ("repository, sha, received, parents, author_time_ns, paths", _OF_REPOSITORY),
    "pull_requests": ("repository, number, document", _OF_REPOSITORY),
    "deployment_elements": ("event, field, value", _OF_DEPLOYMENT.format("event")),
    "failure_elements": ("event, field, value", "JOIN failures o ON o.key = t.event"),
    "deployment_measures": ("deployment, spans, digest", _OF_DEPLOYMENT.format("deployment")),
    "verdicts": ("deployment, change_failure, given_by, given_at_ns, reason", ""),
    "keys": ("id, kind, name, hash", ""),
    "sequences": ("service, env, generation", ""),
    "verdict_acts": ("number, deployment, is_removal, given_by, given_at_ns, reason", ""),
}
"""Tables whose keys an organisation leads by now: columns, and where an older store has it."""


def _of_organisations(url: str, *, is_older: bool) -> dict[str, list[Any]]:
    with open_original(url) as original:
        found: dict[str, list[Any]] = {}
        for table, (columns, owner) in _GIVEN_ORGANISATION.items():
            org = "o.org" if owner and is_older else "t.org"
            named = ", ".join(f"t.{column}" for column in columns.split(", "))
            statement: Any = f"SELECT {org}, {named} FROM {table} t {owner if is_older else ''}"
            found[table] = sorted(original.cursor.execute(statement).fetchall(), key=repr)
        return found


def test_each_row_gets_the_organisation_of_what_it_belongs_to(left: str) -> None:
    before = _of_organisations(left, is_older=True)
    migrate_database(left, keeps_copy=False)
    after = _of_organisations(left, is_older=False)
    for table, rows in before.items():
        assert len({row[0] for row in rows}) == 2, table
        assert after[table] == rows, table


def test_each_organisation_goes_on_from_what_was_indexed_of_it(left: str) -> None:
    """All of the first is indexed, and half of the second; both wait to be derived."""
    orgs = "SELECT org FROM organisations ORDER BY name"
    [first], [second] = _execute(left, orgs)
    [[half]] = _execute(left, f"SELECT max(key) - 12 FROM deployments WHERE org = {second}")
    _execute(left, f"UPDATE counters SET value = {half} WHERE name = 'deployments_indexed'")
    for table in ("deployment_postings", "deployment_numbers"):
        _execute(left, f"DELETE FROM {table} WHERE event > {half}")
    run("migrate", *(() if left.startswith("sqlite") else ("--no-copy",)), "--database", left)
    indexed = dict(
        _execute(left, "SELECT org, value FROM counters WHERE name = 'deployments_indexed'")
    )
    assert indexed == {first: first * 2**40 - 1, second: half}, "segments are yet to be made"
    # Match keys are computed when the store is opened; all else is as it should be.
    faults = run("check", "--database", left).stdout.splitlines()[:-2]
    assert [fault.partition(":")[0] for fault in faults] == ["repositories"]
    sort = sort_key("started_at", EventKind.DEPLOYMENT)
    assert sort
    shop = Selection(query=parse("service:shop"), sort=sort, limit=100)
    with Store(left) as store:
        for name in ("default", "other"):
            org = store.keys.organisation(name)
            event = Deployment(service="shop", started_at_ns=1, finished_at_ns=2)
            store.deployments.add(org, event, 1, actor=TESTER).result()
            assert len(store.deployments.select(org, shop)) == 9
        store.derivations.derive_all_queued(actor=TESTER)
    keys = dict(_execute(left, "SELECT org, max(key) FROM deployments GROUP BY org"))
    assert keys == {org: org * 2**40 + 1 for org in (first, second)}
    assert run("check", "--database", left).stdout == (
        f"checked {2 * _OF_ONE + 2} deployments and 18 failures: no faults\n"
    )


def _execute(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    """The rows of a statement that reads."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url) as connection:
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def test_a_server_answers_from_it_while_it_derives_again(left: str, tmp_path: Path) -> None:
    with forked(tmp_path, database=left) as server:
        listed = requests.post(
            f"{server.url}/api/v2/dora/deployments",
            headers=KEYS,
            json={"data": {"type": "dora_deployments_list_request", "attributes": {"limit": 100}}},
            timeout=30,
        ).json()
        assert len(listed["data"]) == _OF_ONE
        until = time.monotonic() + _PATIENCE_SECONDS
        while "no faults\n" not in run("check", "--database", left).stdout.splitlines(True)[-1]:
            assert time.monotonic() < until, "deployments are not derived"
            time.sleep(0.2)


@pytest.mark.parametrize("recorded", _OF_SQLITE, ids=lambda recorded: recorded.name)
def test_a_copy_of_the_file_from_before_is_kept_to_go_back_to(
    recorded: Path, tmp_path: Path
) -> None:
    path = tmp_path / "theodora.db"
    _as_file(recorded, path)
    (tmp_path / "theodora.db.before-0003").write_text("of the upgrade before")
    first = migrate_file(path)[0].number
    kept = sorted(each.name for each in tmp_path.glob("*before*"))
    assert kept == [f"theodora.db.before-{first:04d}"]
    assert _lines(tmp_path / kept[0]) == _lines_of(recorded, tmp_path)
    assert (tmp_path / kept[0]).stat().st_mode & 0o777 == 0o600
    # Nothing is missing any more, so the copy stays as it is.
    before = (tmp_path / kept[0]).stat().st_mtime_ns
    assert migrate_file(path) == ()
    assert (tmp_path / kept[0]).stat().st_mtime_ns == before
    _go_back(tmp_path, first)
    assert _lines(path) == _lines_of(recorded, tmp_path)


def _go_back(folder: Path, first: int) -> None:
    """Does what docs/upgrading.md says."""
    block = re.search(r"```sh\n(mv .*?)```", (ROOT / "docs/upgrading.md").read_text(), re.DOTALL)
    assert block
    commands = re.sub(r"before-\d{4}", f"before-{first:04d}", block[1])
    subprocess.run(["sh", "-ec", commands], cwd=folder, check=True)


def _lines_of(recorded: Path, folder: Path) -> list[str]:
    (folder / "again.db").unlink(missing_ok=True)
    _as_file(recorded, folder / "again.db")
    return _lines(folder / "again.db")


def _lines(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_without_room_for_the_copy_nothing_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "theodora.db"
    _as_file(_OF_SQLITE[-1], path)
    before = _lines(path)
    # Whatever keeps it from being written, a full disk or this.
    (tmp_path / "theodora.db.before-0015.unfinished").mkdir()
    with pytest.raises(Unavailable, match=r"nothing was migrated.*--no-copy"):
        migrate_file(path)
    assert _lines(path) == before
    assert "applied 0015" in run("migrate", "--no-copy", "--database", f"sqlite:///{path}").stdout


def test_a_new_database_is_not_copied(tmp_path: Path) -> None:
    migrate_file(tmp_path / "theodora.db")
    assert not list(tmp_path.glob("*before*"))


@pytest.mark.slow
def test_a_dump_from_before_is_made_on_postgresql_to_go_back_to(
    postgresql_server: PostgresqlServer, worker_id: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """By the commands of docs/upgrading.md, with the programs of the server's version."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    migrate, go_back = _of_postgresql()
    older = f"before_{worker_id}"
    with _as_database(_OF_POSTGRESQL[-1], postgresql_server, worker_id) as url:
        before = _rows(url)
        migrated = run(*_aimed(migrate, url, "").split()[1:])
        assert "applied" in migrated.stdout
        assert "warning" not in migrated.output
        dump = tmp_path / "theodora.before.dump"
        assert dump.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in tmp_path.iterdir()] == [dump.name]
        try:
            commands = _aimed(go_back, url, postgresql_server.url(older)).replace(
                " theodora_before\n", f" {older}\n"
            )
            subprocess.run(["sh", "-ec", commands], check=True, capture_output=True)
            assert _rows(postgresql_server.url(older)) == before
        finally:
            postgresql_server.execute(f"DROP DATABASE IF EXISTS {older} WITH (FORCE)")


@pytest.mark.slow
def test_without_a_dump_that_is_asked_for_nothing_is_migrated(
    postgresql_server: PostgresqlServer, worker_id: str, tmp_path: Path, monkeypatch: Any
) -> None:
    with _as_database(_OF_POSTGRESQL[-1], postgresql_server, worker_id) as url:
        before = _rows(url)
        secret = url.replace("theodora@", "theodora:hidden@")
        asked = ("migrate", "--database", secret, "--dump")
        for file, path, reason in (
            (tmp_path / "a.dump", tmp_path, "pg_dump is not installed"),
            (tmp_path / "none" / "a.dump", PROGRAMS, "No such file or directory"),
            (tmp_path / "b.dump", _failing_program(tmp_path / "bin"), "server version mismatch"),
        ):
            monkeypatch.setenv("PATH", str(path))
            refused = run(*asked, str(file))
            assert refused.exit_code == 1
            assert reason in refused.stderr
            assert "nothing was migrated" in refused.stderr
            assert "hidden" not in refused.stderr
            assert _rows(url) == before
        assert not list(tmp_path.glob("*.dump*"))


def test_postgresql_is_not_migrated_without_a_dump_unless_a_backup_is_said_to_be_there(
    postgresql_server: PostgresqlServer, worker_id: str
) -> None:
    with _as_database(_OF_POSTGRESQL[-1], postgresql_server, worker_id) as url:
        before = _rows(url)
        refused = run("migrate", "--database", url)
        assert refused.exit_code == 1
        assert "nothing was migrated" in refused.stderr
        assert all(each in refused.stderr for each in ("--dump FILE", "--no-copy"))
        assert _rows(url) == before
        assert "applied" in run("migrate", "--no-copy", "--database", url).stdout
        assert run("migrate", "--database", url).stdout == "the database is up to date\n"


def test_a_new_database_on_postgresql_needs_no_dump(
    postgresql_server: PostgresqlServer, worker_id: str
) -> None:
    name = f"new_{worker_id}"
    postgresql_server.execute(f"CREATE DATABASE {name}")
    try:
        assert "applied 0001" in run("migrate", "--database", postgresql_server.url(name)).stdout
    finally:
        postgresql_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_dump_and_no_copy_exclude_each_other(tmp_path: Path) -> None:
    asked = ("--no-copy", "--dump", str(tmp_path / "a"))
    refused = run("migrate", *asked, "--database", f"sqlite:///{tmp_path / 'theodora.db'}")
    assert (refused.exit_code, "exclude each other" in refused.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_only_postgresql_is_dumped(tmp_path: Path) -> None:
    path = tmp_path / "theodora.db"
    refused = run("migrate", "--database", f"sqlite:///{path}", "--dump", str(tmp_path / "a"))
    assert "only PostgreSQL is dumped" in refused.stderr
    assert not path.exists()


def _of_postgresql() -> list[str]:
    section = (ROOT / "docs/upgrading.md").read_text().partition("### PostgreSQL\n")[2]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def _aimed(commands: str, url: str, older_url: str) -> str:
    """The commands of the page with the addresses of the test's server."""
    place = "postgresql://theodora@db/"
    postgres = re.sub(r"/\w+\?", "/postgres?", url)
    for address, ours in (
        (f"{place}theodora_before", older_url),
        (f"{place}theodora", url),
        (f"{place}postgres", postgres),
    ):
        commands = commands.replace(address, shlex.quote(ours) if older_url else ours)
    return commands


def _failing_program(folder: Path) -> Path:
    folder.mkdir()
    program = folder / "pg_dump"
    program.write_text('#!/bin/sh\necho server version mismatch: "$*" >&2\nexit 1\n')
    program.chmod(0o755)
    return folder


def _rows(url: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        return {
            name: connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1").fetchall()
            for (name,) in names
        }
