"""Copying a store between databases: everything, as it is, however often it was interrupted."""

import hashlib
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, LiteralString

import apsw
import pytest

from actors import TESTER
from databases import Databases
from forked_serving import code_forked
from theodora.dora import Commit, PullRequest
from theodora.errors import UnequalCopy, UnusableStore
from theodora.events import Deployment, Failure, Git
from theodora.events.activity import UserActivity
from theodora.events.annotations import Annotation
from theodora.storage import (
    Actor,
    Correlation,
    DeliveryReading,
    Organisation,
    OverrideValues,
    PersonIdentity,
    SourceFact,
    Store,
)
from theodora.storage.access.key_usage import Refused
from theodora.storage.access.notifications import Message, ReceiverSettings
from theodora.storage.access.principals import key_principal, person_principal
from theodora.storage.access.sessions import SessionLimits
from theodora.storage.copy import copy as copying
from theodora.storage.copy.copy import Copying, Original
from theodora.storage.copy.tables import OMISSIONS, CopiedTable, copied_tables, tables_of
from theodora.storage.engine.cursor import only_value
from theodora.storage.engine.migrate import Kind
from theodora.storage.events.segments import segment_some
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.goals import GoalSubject
from theodora.storage.open import migrate_database, open_copy, open_original, sqlite_path
from theodora.storage.saved_views import SavedView

REPOSITORY = "https://github.com/acme/web"
TWENTIETH = 2**40 + 20
"""The key of what the first organisation receives as its twentieth."""
SHAPES: dict[Kind, LiteralString] = {
    "sqlite": (
        "SELECT m.name, p.name, p.pk FROM sqlite_schema m, pragma_table_info(m.name) p "
        "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
    ),
    "postgresql": (
        "SELECT c.table_name, c.column_name, coalesce(k.ordinal_position, 0) "
        "FROM information_schema.columns c "
        "LEFT JOIN information_schema.table_constraints t ON t.table_schema = c.table_schema "
        "AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY' "
        "LEFT JOIN information_schema.key_column_usage k "
        "ON k.constraint_schema = t.constraint_schema AND k.table_name = c.table_name "
        "AND k.constraint_name = t.constraint_name AND k.column_name = c.column_name "
        "WHERE c.table_schema = current_schema()"
    ),
}
"""Statements for the columns of all tables, each with its place in the primary key or 0."""


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite"])
def kinds(
    request: pytest.FixtureRequest, postgresql_databases: Databases
) -> tuple[Databases, Databases]:
    """Those to copy from and into: both ways."""
    both = Databases(None), postgresql_databases
    return both if request.param == "sqlite to postgresql" else both[::-1]


@pytest.fixture
def empty_pair(kinds: tuple[Databases, Databases], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URLs of two empty databases, one of each kind."""
    with kinds[0].new(tmp_path) as one, kinds[1].new(tmp_path) as other:
        yield one, other


@pytest.fixture
def urls(kinds: tuple[Databases, Databases], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a store to copy, and of a database to copy it into."""
    with kinds[0].new(tmp_path, fill) as filled, kinds[1].new(tmp_path) as other:
        yield filled, other


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small tables take several."""
    monkeypatch.setattr(copying, "_ROWS_AT_ONCE", 7)


def sha(number: int) -> str:
    return f"{number:040x}"


def fill(url: str) -> None:
    """A store with something in every table."""
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        other = store.keys.ensure_organisation("other", 2, actor=TESTER).result()
        add_facts(store)
        for number in range(40):
            git = Git(sha(number), REPOSITORY)
            event = Deployment(
                service="web",
                env="production" if number % 3 else None,
                version=f"v{number}",
                started_at_ns=number * 10**12,
                finished_at_ns=number * 10**12 + 60,
                git=git,
                custom_tags=("language:español", f"build:{number}"),
            )
            store.deployments.add(org, event, number, actor=TESTER)
        store.deployments.add(
            other, Deployment(service="w", started_at_ns=1, finished_at_ns=1), 1, actor=TESTER
        )
        failure = Failure(
            id="f1",
            custom_tags=("cost:12",),
            services=("web", "cart"),
            name="it's \\down\t",
            started_at_ns=10**12,
        )
        store.failures.add(org, failure, 1, actor=TESTER).result()
        add_source(store, org)
        store.inbox.lease(org, "a worker", 1, 2, actor=TESTER).result()
        [first, *_] = store.deployments.everything(org)
        store.forwarding.put(org, "https://x.example", "a", "b", 1, actor=TESTER).result()
        store.verdicts.put(
            org,
            first.id,
            OverrideValues(change_failure=True, failure_ids=("f1",)),
            now_ns=1,
            actor=Actor("person", "desk"),
        ).result()
        store.derivations.derive_all_queued(actor=TESTER)
        store.settings.put(org, {"team": "payments"}, "web", actor=TESTER).result()
        store.retention.put(org, 730, actor=TESTER).result()
        store.retention.change(org, 365, 1, 0, actor=TESTER).result()
    with open_copy(url) as raw:
        segment_some(raw.cursor, DEPLOYMENTS, 1, size=20)
        segment_some(raw.cursor, FAILURES, 1, size=1)
        raw.cursor.execute(
            "INSERT INTO failure_unsegmented (org, event) SELECT org, key FROM failures"
        )
        raw.cursor.execute("INSERT INTO retention_refusals (org, at_ns, reason) VALUES (1, 1, 'x')")
        raw.cursor.execute(
            "INSERT INTO organisation_deletions (org, uuid, begins_at_ns, begun_at_ns, "
            "finished_at_ns) VALUES (9, 'x', 1, 2, 3)"
        )
        raw.cursor.execute("INSERT INTO stale_teams (org, service, up_to) VALUES (1, 'cart', -1)")
        raw.cursor.execute("INSERT INTO stale_bots (org, repository, number) VALUES (1, -1, -1)")
        raw.cursor.execute(
            "INSERT INTO organisations_to_index (org) VALUES (1) ON CONFLICT DO NOTHING"
        )
        raw.cursor.execute(
            "INSERT INTO parked_sequences (org, service, env, since_ns, tried_at_ns, next_at_ns, "
            "tries, error) VALUES (1, 'cart', '', 1, 2, 3, 1, 'a rule that cannot be used')"
        )


def add_facts(store: Store) -> None:
    org = store.keys.organisation("default")
    commits = [
        Commit(
            sha=sha(number),
            parents=(sha(number - 1),) if number else (),
            author_time_ns=number * 10**12 - 10**9,
            commit_time_ns=number * 10**12 - 10**9,
            subject="mend\0ed",
            author_name="Ada" if number % 2 else "",
            author_email="ada@example.org" if number % 2 else "",
            paths=("web/door.py",) if number % 2 else None,
        )
        for number in range(40)
    ]
    store.commits.add_commits(org, "github.com/acme/web", commits, actor=TESTER).result()
    pull_request = PullRequest(number=12, title="Fix", merge_commit_sha=sha(3))
    store.commits.add_pull_requests(
        org, "github.com/acme/web", [pull_request], actor=TESTER
    ).result()
    store.mirrors.add(org, "github.com/acme/web", REPOSITORY, actor=TESTER).result()
    activity = UserActivity(user_email="a@b.c", day="2026-01-01", tool="tool", is_active=True)
    store.activity.add(org, [activity], actor=TESTER).result()
    permissions = frozenset({"dora_metrics_read"})
    key = store.keys.add(
        "default",
        "application",
        "k" * 40,
        name="desk",
        permissions=permissions,
        now_ns=1,
        actor=TESTER,
    ).result()
    limits = SessionLimits(10**18, 10**18)
    store.sessions.add(key_principal(key), "secret", 1, limits, actor=TESTER).result()
    store.keys.note_used(key, 10**12, address="192.0.2.7", actor=TESTER)
    ada = PersonIdentity("https://id.example", "ada", "Ada", "ada@example.org")
    person = store.people.sign_in("default", ada, "editor", 1, may_create=True, actor=TESTER)
    store.sessions.add(person_principal(person.result()), "hers", 1, limits, actor=TESTER).result()
    store.share_links.add(
        person_principal(person.result()),
        *("shared", "/", ""),
        expires_at_ns=10**18,
        now_ns=1,
        actor=TESTER,
    ).result()
    annotation = Annotation(at_ns=1, text="moved", service="web")
    store.annotations.add(org, annotation, 1, actor=TESTER).result()
    view = SavedView("person:1", "mine", "/", "range=1y", is_start=True)
    store.saved_views.put(org, view, 1, actor=TESTER).result()
    store.goals.put(org, GoalSubject("change_lead_time"), 3600.5, 1, actor=TESTER).result()
    receiver = store.notifications.add(
        org, "webhook", "hook", "https://hook.example", ReceiverSettings(), 1, actor=TESTER
    ).result()
    message = Message(receiver.id, "digest:1", "A week", "a\nb")
    store.notifications.queue(org, [message], 1, actor=TESTER).result()
    store.reception.accept(key, "verdict", 1)
    store.reception.refuse(key, "verdict", Refused(404, "", "deployment does not exist"), 2)
    store.reception.ignore(key, "deployment", ["/data/attributes/sevice"], 3)
    store.reception.write(actor=TESTER).result()


def add_source(store: Store, org: Organisation) -> None:
    """A source, a delivery that has been read, and one that says nothing about an event yet."""
    source = store.sources.add(org, "pagerduty", "pages", "{}", 1, actor=TESTER).result()
    store.sources.change_common_settings(org, '{"env":"production"}', actor=TESTER).result()
    for number in (1, 2):
        store.inbox.receive(
            org, "pagerduty", source.id, {"dd_env": "production"}, "{}", number, actor=TESTER
        ).result()
    [received, _] = store.inbox.waiting(org, 2)
    fact = SourceFact("incident:Q1", "{}", ["image:shop:1"])
    correlation = Correlation(
        "image:shop:1", "git.example/shop", "https://git.example/shop", "0" * 40
    )
    reading = DeliveryReading("done", "incident:Q1", [fact], correlations=[correlation])
    store.inbox.settle([(received, reading)], lambda *_: None, 2, actor=TESTER).result()


def copied(from_url: str, to_url: str, organisation: str | None = None) -> int:
    """Copies one into the other, and compares them; how many rows that took."""
    with open_original(from_url) as original, open_copy(to_url) as copy:
        run = Copying(original, copy, organisation)
        count = sum(run.copy())
        assert count == sum(run.compare()) == run.rows
        run.finish()
    return count


def begun(from_url: str, to_url: str, batches: int) -> int:
    """Copies some batches and then no more; how many rows those held."""
    with open_original(from_url) as original, open_copy(to_url) as copy:
        steps = Copying(original, copy).copy()
        return sum(next(steps) for _ in range(batches))


def held(url: str) -> dict[str, list[Any]]:
    """The rows of every table that is copied, texts as PostgreSQL has them."""
    with open_original(url) as original:
        return {table.name: rows_of(original, table) for table in copied_tables()}


def rows_of(original: Original, table: CopiedTable) -> list[Any]:
    statement = (
        f"SELECT {', '.join(table.columns)} FROM {table.name} "
        f"WHERE {table.condition} ORDER BY {', '.join(table.key)}"
    )
    return [
        tuple(value.replace("\0", "\1") if isinstance(value, str) else value for value in row)
        for row in original.cursor.execute(statement).fetchall()
    ]


@pytest.fixture
def empty(databases: Databases, tmp_path: Path) -> Iterator[str]:
    with databases.new(tmp_path) as url:
        migrate_database(url)
        yield url


def test_every_table_and_column_is_copied_or_omitted_with_a_reason(
    databases: Databases, empty: str
):
    """In the databases of each kind, by the table's own primary key."""
    with open_original(empty) as original:
        found: dict[str, dict[str, int]] = {}
        for table, column, position in original.cursor.execute(SHAPES[databases.kind]).fetchall():
            found.setdefault(table, {})[column] = position
    tables = copied_tables()
    omitted = {name for name, omission in OMISSIONS.items() if omission.all_but is None}
    assert {table.name for table in tables} == found.keys() - omitted
    for table in tables:
        columns = found[table.name]
        assert sorted(table.columns) == sorted(columns)
        assert list(table.key) == sorted(filter(columns.get, columns), key=columns.__getitem__)
    assert found.keys() >= OMISSIONS.keys()
    assert all(omission.reason for omission in OMISSIONS.values())


def test_a_table_that_a_migration_adds_is_copied_after_those_that_it_refers_to():
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute(
            "CREATE TABLE later (number INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE added (b TEXT, c TEXT, later INTEGER REFERENCES later (number), a TEXT, "
            "PRIMARY KEY (a, b));"
            "CREATE TABLE sequences (org INTEGER); CREATE TABLE counters (name TEXT PRIMARY KEY);"
        )
        assert tables_of(connection) == (
            CopiedTable("later", ("number",), ("name",)),
            CopiedTable("counters", ("name",), condition="(org <> 0 OR name <> 'commits')"),
            CopiedTable("added", ("a", "b"), ("c", "later")),
        )
        connection.execute("CREATE TABLE shapeless (name TEXT)")
        with pytest.raises(AssertionError, match="shapeless has no primary key"):
            tables_of(connection)


def test_tables_of_others_in_the_original_are_not_copied(urls: tuple[str, str]):
    with open_copy(urls[0]) as raw:
        raw.cursor.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
    before = held(urls[0])
    assert copied(*urls) == sum(map(len, before.values()))


def test_every_table_that_the_database_numbers_goes_on_after_its_rows(
    tmp_path: Path, postgresql_databases: Databases
):
    from_url = f"sqlite:///{tmp_path / 'store.db'}"
    fill(from_url)
    with postgresql_databases.new(tmp_path) as url:
        copied(from_url, url)
        with open_original(url) as copy:
            numbered = copy.cursor.execute(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = current_schema() AND is_identity = 'YES'"
            ).fetchall()
            tables = {table.name: table for table in copied_tables()}
            assert len(numbered) > 3
            for name, column in numbered:
                table = tables[name]
                assert table.key == (column,)
                assert copy.last_number(table) >= max(row[0] for row in rows_of(copy, table))


def test_a_copy_holds_what_the_original_holds(urls: tuple[str, str]):
    before = held(urls[0])
    assert not [name for name, rows in before.items() if not rows], "the world is too small"
    assert copied(*urls) == sum(map(len, before.values()))
    assert held(urls[1]) == before


def test_an_organisation_is_copied_alone(urls: tuple[str, str]):
    """Its rows and no other's; what is written next is numbered on, there and in the original."""
    before = held(urls[0])
    copied(*urls, "default")
    [org] = [Organisation(*row[:3]) for row in before["organisations"] if row[2] == "default"]
    after = held(urls[1])
    for table in copied_tables():
        own = {org.key, 0} if table.name == "counters" else {org.key}
        place = table.columns.index("org")
        assert after[table.name] == [row for row in before[table.name] if row[place] in own]
    assert {"organisations", "deployments", "audit_entries"} <= {
        name for name, rows in before.items() if len(rows) > len(after[name])
    }
    with Store(urls[1]) as store:
        new = store.keys.ensure_organisation("new", 3, actor=TESTER).result()
        assert new.key > max(row[0] for row in before["organisations"])
        event = Deployment(service="web", started_at_ns=10**14, finished_at_ns=10**14)
        store.deployments.add(org, event, 99, actor=TESTER).result()
        assert len(list(store.deployments.everything(org))) == 41


def test_the_copy_of_one_organisation_is_not_finished_as_another(urls: tuple[str, str]):
    with open_original(urls[0]) as original, open_copy(urls[1]) as copy:
        next(Copying(original, copy, "default").copy())
        for other in (None, "other"):
            with pytest.raises(UnusableStore, match="of another store or organisation"):
                Copying(original, copy, other)


def test_an_organisation_that_is_not_there_is_not_copied(urls: tuple[str, str]):
    with (
        open_original(urls[0]) as original,
        open_copy(urls[1]) as copy,
        pytest.raises(UnusableStore, match='the store to copy has no organisation "nobody"'),
    ):
        Copying(original, copy, "nobody")


def test_a_copy_of_a_copy_is_the_same_again(urls: tuple[str, str], tmp_path: Path):
    copied(*urls)
    third = f"sqlite:///{tmp_path / 'third.db'}"
    copied(urls[1], third)
    assert held(third) == held(urls[1])


def test_a_copy_serves_as_the_original_did(urls: tuple[str, str]):
    """What is written next is numbered on, found, and derived."""
    copied(*urls)
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(url)) for url in urls]
        answers = []
        for store in stores:
            store.keys.ensure_organisation("third", 3, actor=TESTER).result()
            org = store.keys.organisation("default")
            assert store.keys.find("application", "k" * 40) is not None
            store.commits.add_commits(
                org,
                "github.com/acme/cart",
                [Commit(sha=sha(99), author_time_ns=1, commit_time_ns=1)],
                actor=TESTER,
            ).result()
            event = Deployment(service="web", started_at_ns=10**14, finished_at_ns=10**14)
            store.deployments.add(org, event, 99, actor=TESTER).result()
            store.derivations.derive_all_queued(actor=TESTER)
            answers.append(list(store.deployments.everything(org)))
        assert answers[0] == answers[1]
        assert len(answers[0]) == 41
        assert all(event.change_failure is not None for event in answers[0])


def test_numbers_that_were_given_once_are_not_given_again(urls: tuple[str, str]):
    """Marks are gone when they have been worked off; what came of them is known by number."""
    with Store(urls[0]) as store:
        store.derivations.derive_all_queued(actor=TESTER)
    copied(*urls)
    marks = next(table for table in copied_tables() if table.name == "marks")
    with open_original(urls[0]) as original:
        last = original.last_number(marks)
    with Store(urls[1]) as store:
        org = store.keys.organisation("default")
        store.settings.put(org, {"team": "cart"}, "web", actor=TESTER).result()
    with open_original(urls[1]) as copy:
        assert only_value(copy.cursor.execute("SELECT min(number) FROM marks")) > last > 0


def test_the_file_that_is_copied_is_not_touched(tmp_path: Path, postgresql_databases: Databases):
    path = tmp_path / "store.db"
    fill(f"sqlite:///{path}")
    before = hashlib.sha256(path.read_bytes()).digest()
    with postgresql_databases.new(tmp_path) as url:
        copied(f"sqlite:///{path}", url)
    assert hashlib.sha256(path.read_bytes()).digest() == before


@pytest.mark.usefixtures("small_pages")
def test_a_copy_that_was_interrupted_goes_on_where_it_stood(urls: tuple[str, str]):
    done = begun(*urls, batches=20)
    with open_original(urls[0]) as original, open_copy(urls[1]) as copy:
        assert next(Copying(original, copy).copy()) == done > 50
    copied(*urls)
    assert held(urls[1]) == held(urls[0])


KILLED = """
import os, sys
from theodora.storage.copy import copy as copying
from theodora.storage.open import open_copy, open_original

copying._ROWS_AT_ONCE = 7
left = int(sys.argv[3])
with open_original(sys.argv[1]) as original, open_copy(sys.argv[2]) as copy:
    add = copy.add

    def add_and_die(table, rows):
        global left
        add(table, rows)
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)

    copy.add = add_and_die
    for _ in copying.Copying(original, copy).copy():
        pass
"""


def test_a_copy_that_was_killed_goes_on_where_it_stood(urls: tuple[str, str]):
    """In the middle of a transaction, several times."""
    for batches in (0, 1, 12, 30):
        assert code_forked(KILLED, *urls, str(batches)) == -signal.SIGKILL
    copied(*urls)
    assert held(urls[1]) == held(urls[0])


@pytest.mark.usefixtures("small_pages")
def test_of_two_copies_at_a_time_one_gives_way(urls: tuple[str, str]):
    with ExitStack() as stack:
        runs = []
        for _ in range(2):
            original = stack.enter_context(open_original(urls[0]))
            runs.append(Copying(original, stack.enter_context(open_copy(urls[1]))).copy())
        assert [next(run) for run in runs] == [0, 0]
        next(runs[0])
        with pytest.raises(UnusableStore, match="another theodora copy is filling the same"):
            next(runs[1])
    copied(*urls)
    assert held(urls[1]) == held(urls[0])


@pytest.mark.usefixtures("small_pages")
def test_nothing_takes_an_unfinished_copy_for_a_store(urls: tuple[str, str], tmp_path: Path):
    begun(*urls, batches=20)
    for opened in (lambda: Store(urls[1]), lambda: migrate_database(urls[1])):
        with pytest.raises(UnusableStore, match="is an unfinished copy of another: run the same"):
            opened()
    with pytest.raises(UnusableStore, match="is itself an unfinished copy"):
        copied(urls[1], f"sqlite:///{tmp_path / 'third.db'}")
    copied(*urls)
    Store(urls[1]).close()


def test_only_an_empty_database_is_copied_into(empty_pair: tuple[str, str]):
    for url in empty_pair:
        fill(url)
    before = held(empty_pair[1])
    with pytest.raises(UnusableStore, match="it holds organisations, audit_chains"):
        copied(*empty_pair)
    assert held(empty_pair[1]) == before


@pytest.mark.usefixtures("small_pages")
def test_the_unfinished_copy_of_one_store_is_not_finished_from_another(
    urls: tuple[str, str], tmp_path: Path
):
    another = f"sqlite:///{tmp_path / 'another.db'}"
    fill(another)
    begun(*urls, batches=20)
    with pytest.raises(UnusableStore, match="holds an unfinished copy of another store"):
        copied(another, urls[1])


def test_an_empty_store_is_copied_too(empty_pair: tuple[str, str]):
    migrate_database(empty_pair[0])
    assert copied(*empty_pair) == 3
    Store(empty_pair[1]).close()


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            f"UPDATE deployments SET team = 'thieves' WHERE key = {TWENTIETH}",
            rf"deployments: the row of key {TWENTIETH}: team is 'thieves' in the copy and was ",
        ),
        (
            f"DELETE FROM deployment_elements WHERE event = {TWENTIETH} AND field = '@build'",
            rf"deployment_elements: .* org 1, event {TWENTIETH}, field '@build', value '19' is",
        ),
        (
            "INSERT INTO deployment_elements VALUES (1, 20, '@build', '19a')",
            r"deployment_elements: .* org 1, event 20, field '@build', value '19a' is in the copy",
        ),
        (
            "INSERT INTO marks (number, org, kind) VALUES (1000, 1, 'organisation')",
            "marks: the row of number 1000 is in the copy alone",
        ),
        (
            f"UPDATE deployment_measures SET digest = digest + 1 WHERE deployment = {TWENTIETH}",
            f"deployment_measures: the row of org 1, deployment {TWENTIETH}: digest is ",
        ),
    ],
)
def test_the_first_difference_is_told(urls: tuple[str, str], change: Any, said: str):
    with open_original(urls[0]) as original, open_copy(urls[1]) as copy:
        run = Copying(original, copy)
        sum(run.copy())
        copy.cursor.execute(change)
        with pytest.raises(UnequalCopy, match=said):
            sum(run.compare())
    with pytest.raises(UnusableStore, match="is an unfinished copy"):
        Store(urls[1])


def test_what_is_written_meanwhile_is_not_lost_without_a_word(urls: tuple[str, str]):
    with open_original(urls[0]) as original, open_copy(urls[1]) as copy:
        run = Copying(original, copy)
        sum(run.copy())
        with Store(urls[0]) as store:
            late = Deployment(service="late", started_at_ns=1, finished_at_ns=2)
            org = store.organisations.everything()[0].organisation
            store.deployments.add(org, late, 9, actor=TESTER).result()
        sum(run.compare())
        with pytest.raises(UnequalCopy, match="has been written to while it was copied"):
            run.finish()


def test_a_store_of_an_older_version_is_left_as_it_is(urls: tuple[str, str]):
    with open_copy(urls[0]) as raw:
        raw.cursor.execute("DELETE FROM migrations WHERE number > 3")
    with pytest.raises(UnusableStore, match="is at migration 3 and has to be at"):
        copied(*urls)


def test_a_store_of_a_newer_version_is_left_to_that(urls: tuple[str, str]):
    with open_copy(urls[0]) as raw:
        raw.cursor.execute(
            "INSERT INTO migrations (number, title, applied_at_ns) VALUES (9999, 'to come', 1)"
        )
    with pytest.raises(UnusableStore, match="is at migration 9999, this version knows"):
        copied(*urls)


def test_what_is_no_store_is_not_copied(empty_pair: tuple[str, str], tmp_path: Path):
    with pytest.raises(UnusableStore, match="cannot be opened"):
        copied(f"sqlite:///{tmp_path / 'nothing.db'}", empty_pair[1])
    assert not (tmp_path / "nothing.db").exists()
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(UnusableStore, match="is no store of Theodora"):
        copied(f"sqlite:///{empty}", empty_pair[1])
    assert sqlite_path(f"sqlite:///{empty}").stat().st_size == 0
