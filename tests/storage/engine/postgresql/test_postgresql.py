"""What only PostgreSQL has to see to: order among processes, claims, and SQL translated."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from psycopg.errors import (
    AdminShutdown,
    DivisionByZero,
    InternalError_,
    QueryCanceled,
    UniqueViolation,
)

from actors import TESTER
from databases import Databases
from forked_serving import together_forked
from postgresql import OLDEST, ON_CITUS, PostgresqlServer, postgresql
from theodora.errors import Unavailable, UnusableSetting
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.migrate import migrations
from theodora.storage.engine.postgresql import database
from theodora.storage.engine.postgresql.committer import PostgresqlCommitter
from theodora.storage.engine.postgresql.connection import connect, is_lost
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor
from theodora.storage.engine.postgresql.readers import Readers
from theodora.storage.engine.postgresql.statistics import Statistics
from theodora.storage.engine.postgresql.translation import statements, translated, translated_schema
from theodora.storage.engine.writer import Write, no_upkeep
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import queued_sequences, take_task
from theodora.storage.open import migrate_database, open_database


@pytest.fixture
def url(postgresql_databases: Databases, tmp_path: Path) -> Iterator[str]:
    with postgresql_databases.new(tmp_path) as url:
        yield url


def deployment(number: int) -> Deployment:
    return Deployment(id=f"d{number}", service="web", started_at_ns=number, finished_at_ns=number)


def test_keys_lie_in_the_order_of_commits_whoever_commits(url: str):
    """So nothing is ever committed below a watermark that a reader has seen."""
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(url)) for _ in range(2)]
        org = stores[0].keys.ensure_organisation("default", 1, actor=TESTER).result()
        seen: list[list[str]] = []

        def look() -> None:
            while len(seen) < 2 or len(seen[-1]) < 400:
                seen.append([event.id for event in stores[0].deployments.everything(org)])

        def send(part: int) -> None:
            for number in range(part, 400, 2):
                stores[part].deployments.add(org, deployment(number), 1, actor=TESTER).result()

        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(look), *(pool.submit(send, part) for part in range(2))]:
                done.result()
        for earlier, later in pairwise(seen):
            assert later[: len(earlier)] == earlier


def test_a_write_that_fails_unseen_takes_nothing_with_it(url: str):
    """Nobody asks what became of its statement, and the commit is on its way behind it."""
    migrate_database(url)
    add = "INSERT INTO counters (org, name, value) VALUES (0, ?, 1)"
    names = ["before", "commits", "after"]
    with closing(PostgresqlCommitter(url)) as committer, closing(connect(url)) as connection:
        outcomes = committer.commit(
            [
                Write(lambda cursor, name=name: cursor.execute(add, (name,)) and name, TESTER, 0)
                for name in names
            ]
        )
        assert [outcome.result for outcome in outcomes] == ["before", None, "after"]
        assert isinstance(outcomes[1].error, UniqueViolation)
        stored = connection.execute("SELECT name FROM counters").fetchall()
        assert {("before",), ("after",), ("commits",)} <= set(stored)


def test_what_one_process_derives_no_other_takes_up(url: str):
    with ExitStack() as stack:
        nothing = (lambda *_: (), lambda _: None)
        store = stack.enter_context(Store(url))
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
        databases = [open_database(url, *nothing) for _ in range(2)]
        for database in databases:
            stack.callback(database.close)
        [changed] = databases[0].read(partial(queued_sequences, after={})).values()
        lock = lambda cursor: take_task(cursor, org, changed.oldest)  # noqa: E731
        with databases[0].claim(lock, org=1) as mine, databases[1].claim(lock, org=1) as others:
            assert mine is not None
            assert others is None
            assert store.derivations.derive_queued(actor=TESTER) == 0
        assert store.derivations.derive_queued(actor=TESTER) == 1


def test_a_write_that_fails_leaves_no_statement_that_is_thought_to_be_prepared(url: str):
    """Statements that follow an error in a pipeline are not prepared, whatever the driver notes."""

    def fail(cursor: Cursor) -> None:
        cursor.execute("SELECT 1 / (value - value) FROM counters WHERE org = 0")
        count(cursor)

    def count(cursor: Cursor) -> int:
        return only_value(cursor.execute("SELECT count(*) FROM counters"))

    migrate_database(url)
    with closing(PostgresqlCommitter(url)) as committer:
        for _ in range(8):
            [failed] = committer.commit([Write(fail, TESTER, 0)])
            assert isinstance(failed.error, DivisionByZero)
            assert [each.error for each in committer.commit([Write(count, TESTER, 0)])] == [None]


def test_a_claim_whose_connection_is_lost_says_nothing_of_what_was_claimed(url: str):
    """Else a sequence would be parked for what the server did."""

    def take(cursor: Cursor) -> bool:
        taken.extend(cursor.execute("SELECT pg_backend_pid()").fetchone() or ())
        return True

    taken: list[int] = []
    with (
        closing(open_database(url, lambda *_: (), lambda _: None)) as database,
        suppress(Unavailable),
        database.claim(take, org=1) as claim,
    ):
        with closing(connect(url)) as connection:
            connection.execute("SELECT pg_terminate_backend(CAST(%s AS integer), 5000)", taken)
        assert claim
        with pytest.raises(Unavailable):
            claim.finish(lambda cursor: cursor.execute("SELECT 1") and None, TESTER)
        taken.clear()
    assert not taken, "the error was another one"


def test_processes_that_start_together_apply_each_migration_once(
    postgresql_server: PostgresqlServer, worker_id: str
):
    name = f"together_{worker_id}"
    postgresql_server.execute(f"CREATE DATABASE {name}")
    applied = together_forked(3, migrate_database, postgresql_server.url(name), keeps_copy=False)
    assert sum(map(len, applied)) == len(migrations("postgresql"))
    postgresql_server.execute(f"DROP DATABASE {name}")


def test_a_read_ends_with_the_process_that_asked(url: str):
    migrate_database(url)
    code = (
        "import sys; from theodora.storage.open import open_database; "
        "database = open_database(sys.argv[1], lambda *_: (), lambda _: None); "
        "database.read(lambda cursor: cursor.execute('SELECT pg_sleep(3600)'))"
    )
    running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)'"

    def wait_for(count: int) -> None:
        until_sec = time.monotonic() + 20
        while connection.execute(running).fetchall() != [(count,)]:
            assert time.monotonic() < until_sec
            time.sleep(0.05)

    with closing(connect(url)) as connection:
        with subprocess.Popen([sys.executable, "-c", code, url]) as process:
            try:
                wait_for(1)
            finally:
                process.kill()
        wait_for(0)


@pytest.mark.parametrize(("given", "limit"), [("", "10min"), ("-c statement_timeout=5s", "5s")])
def test_a_read_has_a_limit_on_the_server_as_well(url: str, given: str, limit: str):
    joined = f"{url}{'&' if '?' in url else '?'}options={quote(given)}"
    with closing(Readers(joined, "test", 20)) as readers:
        assert readers.read(lambda cursor: cursor.execute("SHOW statement_timeout").fetchone()) == (
            limit,
        )


def test_the_first_connection_may_take_longer_than_later_ones(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    """A server that is busy takes seconds to accept it; a program should start nevertheless."""
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.001)
    with closing(open_database(url, lambda *_: (), lambda _: None, "")) as opened:
        assert opened.read(lambda cursor: cursor.execute("SELECT 1").fetchall()) == [(1,)]


def test_a_server_that_is_not_there_is_said_to_be_so():
    with pytest.raises(Unavailable, match="PostgreSQL cannot be used now"):
        migrate_database("postgresql://theodora@127.0.0.1:1/theodora")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InternalError_("postmaster was shut down, exiting"), True),
        (InternalError_("cache lookup failed"), False),
        (AdminShutdown("terminating connection"), True),
        (QueryCanceled("canceling statement due to statement timeout"), False),
        (UniqueViolation("duplicate key"), False),
    ],
)
def test_a_server_that_is_gone_is_told_from_a_statement_that_is_wrong(
    error: Exception, expected: bool
):
    """Citus calls the one what PostgreSQL calls the other."""
    assert is_lost(error) == expected


def test_a_url_that_cannot_be_read_is_refused_without_being_shown():
    with pytest.raises(UnusableSetting, match="must have the form") as refused:
        migrate_database("postgresql://theodora:secret@host/name?nonsense=1")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
@pytest.mark.parametrize(
    "url",
    [
        "{}://u:se/cret@host/name",
        "{}://u:12/cret@host/name",
        "{}://u:se@cret@host/name",
        "{}://u:cret%zz@host/name",
        "{}://u:cret@host:port/name",
    ],
)
def test_a_password_with_special_characters_is_refused_without_being_shown(scheme: str, url: str):
    with pytest.raises(UnusableSetting, match="percent-encoded") as refused:
        migrate_database(url.format(scheme))
    assert "cret" not in str(refused.value)


def test_the_other_name_of_the_scheme_will_do(url: str):
    assert url.startswith("postgresql://")
    with Store(url.replace("postgresql://", "postgres://")) as store:
        assert store.keys.ensure_organisation("default", 1, actor=TESTER).result().name == "default"


@pytest.mark.skipif(not OLDEST.exists(), reason="PostgreSQL 15 is not installed here")
def test_the_oldest_version_will_do():
    with postgresql(OLDEST) as server, Store(server.url()) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
        assert store.deployments.get(org, "d1").change_failure is False


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT ? WHERE a = ?", "SELECT $1 WHERE a = $2"),
        ("SELECT ?2, ?1, ?2", "SELECT $2, $1, $2"),
    ],
)
def test_statements_are_translated(statement: str, expected: str):
    assert translated(statement) == expected


def test_schemas_are_translated():
    script = "CREATE TABLE a (k INTEGER PRIMARY KEY, t TEXT NOT NULL, n INTEGER) WITHOUT ROWID;"
    assert translated_schema(script) == (
        "CREATE TABLE a (k BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "
        't TEXT COLLATE "C" NOT NULL, n BIGINT);'
    )


def test_scripts_are_taken_apart_into_statements():
    script = (
        "-- One; and\nCREATE TABLE a (t TEXT DEFAULT ';'); -- two;\n"
        "CREATE FUNCTION f() RETURNS text LANGUAGE SQL AS $$ SELECT 'a;'; SELECT 'b' $$;\n-- End;\n"
    )
    assert list(statements(script)) == [
        "-- One; and\nCREATE TABLE a (t TEXT DEFAULT ';')",
        "-- two;\nCREATE FUNCTION f() RETURNS text LANGUAGE SQL AS $$ SELECT 'a;'; SELECT 'b' $$",
    ]


@pytest.mark.skipif(ON_CITUS, reason="the planner is that of the server which has the table")
def test_the_planner_learns_of_a_table_that_grows(url: str):
    """Long before PostgreSQL itself looks."""
    with Store(url) as store, closing(connect(url)) as connection:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()

        def add(cursor: Cursor) -> None:
            events = [deployment(number) for number in range(600)]
            Rows(DEPLOYMENTS).put_all(cursor, org, events, 1)
            # What a lane has done it tells others about once a second, unless it is told to.
            cursor.execute("SELECT pg_stat_force_next_flush()").fetchone()

        store._database.write(add, TESTER, org=org.key).result()
        Statistics().keep_up(no_upkeep, PostgresqlCursor(connection), None)
        told = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'deployments'")
        [rows] = told.fetchone() or [0]
        assert rows > 100


def test_a_server_of_the_tests_ends_with_them_however_they_end():
    """It would run on for ever: nobody else knows of it."""
    code = (
        "import postgresql, time\n"
        "with postgresql.postgresql() as server:\n"
        "    print(server.folder, flush=True)\n"
        "    time.sleep(600)\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.stdout
    folder = Path(tests.stdout.readline().strip())
    pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    server = psutil.Process(pid)
    tests.kill()
    tests.communicate()
    server.wait(60)
