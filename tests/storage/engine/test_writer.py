"""The writer: groups of writes, each on its own, all durable together."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import apsw
import pytest

from actors import TESTER
from theodora.errors import Invalid, Problem, Unavailable
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.sqlite.committer import SqliteCommitter
from theodora.storage.engine.writer import Writer, no_upkeep


class Table:
    """A writer on a table of numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.groups: list[int] = []
        self.writer = Writer(partial(SqliteCommitter, path), no_upkeep, self.groups.append)
        self.writer.submit(
            lambda cursor: cursor.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"),
            TESTER,
            org=1,
        ).result()
        self.groups.clear()

    def rows(self) -> list[int]:
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found: list[Any] = connection.execute(
                "SELECT number FROM numbers ORDER BY number"
            ).fetchall()
            return [number for (number,) in found]
        finally:
            connection.close()

    def together(self, *writes: Callable[[Cursor], Any]) -> list[Any]:
        """Has the writes committed as one group; the result or the error of each."""
        held, release = Event(), Event()

        def hold(_: Cursor) -> None:
            held.set()
            assert release.wait(timeout=30)

        holding = self.writer.submit(hold, TESTER, org=1)
        assert held.wait(timeout=30)
        futures = [self.writer.submit(write, TESTER, org=1) for write in writes]
        release.set()
        holding.result()
        return [future.exception() or future.result() for future in futures]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    table = Table(tmp_path / "numbers.db")
    yield table
    table.writer.close()


def add(number: int) -> Callable[[Cursor], int]:
    def write(cursor: Cursor) -> int:
        cursor.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return write


def failing(error: BaseException, number: int) -> Callable[[Cursor], None]:
    """Writes something and then fails."""

    def write(cursor: Cursor) -> None:
        add(number)(cursor)
        raise error

    return write


def test_writes_that_wait_are_committed_together(table: Table) -> None:
    assert table.together(*map(add, range(50))) == list(range(50))
    assert table.groups == [1, 50]


def test_a_flood_is_committed_in_bounded_groups(table: Table) -> None:
    table.together(*map(add, range(600)))
    assert table.groups == [1, 256, 256, 88]
    assert table.rows() == list(range(600))


def test_a_write_of_many_events_counts_as_many(table: Table) -> None:
    held, release = Event(), Event()

    def hold(_: Cursor) -> None:
        held.set()
        assert release.wait(timeout=30)

    table.writer.submit(hold, TESTER, org=1)
    assert held.wait(timeout=30)
    sizes = (100, 100, 100, 1, 256, 1)
    futures = [table.writer.submit(add(at), TESTER, size, org=1) for at, size in enumerate(sizes)]
    release.set()
    assert [future.result() for future in futures] == list(range(6))
    # Each commit ends with the write that makes it 256 events.
    assert table.groups == [1, 3, 2, 1]


def test_upkeep_is_due_after_so_many_events_however_few_writes_they_are(tmp_path: Path) -> None:
    kept_up: list[int] = []
    numbers: list[int] = []

    def upkeep(_: Cursor, _orgs: Collection[int] | None) -> Collection[int]:
        kept_up.append(len(numbers))
        return ()

    writer = Writer(partial(SqliteCommitter, tmp_path / "numbers.db"), upkeep, lambda _: None)
    held, release = Event(), Event()

    def hold(_: Cursor) -> None:
        held.set()
        assert release.wait(timeout=30)

    writer.submit(hold, TESTER, org=1)
    assert held.wait(timeout=30)
    kept_up.clear()
    futures = [writer.submit(lambda _: numbers.append(1), TESTER, 128, org=1) for _ in range(6)]
    release.set()
    for future in futures:
        future.result(timeout=30)
    writer.close()
    assert [count for count in kept_up if count < 6] == [2, 4]


@pytest.mark.parametrize(
    "error", [Invalid(Problem("no")), ValueError("no"), apsw.ConstraintError("no")]
)
def test_a_write_that_fails_takes_nothing_else_with_it(table: Table, error: Exception) -> None:
    outcomes = table.together(add(1), failing(error, 2), add(3))
    assert outcomes == [1, error, 3]
    assert table.rows() == [1, 3]


def test_a_broken_constraint_is_its_own_writes_alone(table: Table) -> None:
    outcomes = table.together(add(1), add(1), add(2))
    assert (outcomes[0], outcomes[2]) == (1, 2)
    assert isinstance(outcomes[1], apsw.ConstraintError)
    assert table.rows() == [1, 2]


def lose(cursor: Cursor) -> None:
    """Ends its whole group."""
    cursor.execute("ROLLBACK")
    raise apsw.FullError("database or disk is full")


def test_all_are_told_when_the_whole_group_is_lost(table: Table) -> None:
    outcomes = table.together(add(1), lose, add(2))
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert table.rows() == []
    assert table.together(add(4)) == [4]


@pytest.mark.parametrize("error", [Invalid(Problem("no")), ValueError("no")])
def test_a_write_alone_that_fails_changes_nothing(table: Table, error: Exception) -> None:
    assert table.writer.submit(failing(error, 1), TESTER, org=1).exception() is error
    assert table.rows() == []
    assert table.writer.submit(add(2), TESTER, org=1).result() == 2
    assert table.rows() == [2]


def test_a_write_alone_is_told_when_it_is_lost(table: Table) -> None:
    assert isinstance(table.writer.submit(lose, TESTER, org=1).exception(), Unavailable)
    assert table.writer.submit(add(4), TESTER, org=1).result() == 4
    assert table.rows() == [4]


def test_a_write_that_finds_room_does_not_hide_that_one_has_just_failed(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.together(lose)
    assert table.together(add(1)) == [1]
    with pytest.raises(Unavailable):
        table.writer.check(lambda _: None)
    monkeypatch.setattr("theodora.storage.engine.commit_health._FAILED_SECONDS", 0.0)
    table.writer.check(lambda _: None)


def test_a_full_database_refuses_and_goes_on_once_there_is_room(table: Table) -> None:
    def limit(cursor: Cursor) -> Any:
        [(pages,)] = cursor.execute("PRAGMA page_count").fetchall()
        return cursor.execute(f"PRAGMA max_page_count = {pages}").fetchall()  # type: ignore[arg-type]

    def lift(cursor: Cursor) -> Any:
        return cursor.execute("PRAGMA max_page_count = 1000000").fetchall()

    table.writer.submit(add(1), TESTER, org=1).result()
    table.writer.submit(limit, TESTER, org=1).result()
    with pytest.raises(Unavailable):
        table.writer.submit(
            lambda cursor: cursor.execute("CREATE TABLE more (a TEXT)").fetchall(), TESTER, org=1
        ).result()
    table.writer.submit(lift, TESTER, org=1).result()
    assert table.writer.submit(add(2), TESTER, org=1).result() == 2
    assert table.rows() == [1, 2]


def test_what_waits_when_the_writer_closes_is_still_written(tmp_path: Path) -> None:
    table = Table(tmp_path / "numbers.db")
    futures = [table.writer.submit(add(number), TESTER, org=1) for number in range(500)]
    table.writer.close()
    assert [future.result() for future in futures] == list(range(500))
    assert table.rows() == list(range(500))


def test_upkeep_that_would_take_long_does_not_keep_the_writer_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theodora.storage.engine.writer._LAST_UPKEEP_SECONDS", 0.2)
    is_left, done = [True], [0]

    def upkeep(_: Cursor, _orgs: Collection[int] | None) -> Collection[int]:
        done[0] += 1
        return {1} if is_left[0] else ()

    writer = Writer(partial(SqliteCommitter, tmp_path / "numbers.db"), upkeep, lambda _: None)
    closing = Thread(target=writer.close)
    closing.start()
    closing.join(timeout=20)
    is_open = closing.is_alive()
    is_left[0] = False
    closing.join()
    assert not is_open
    assert done[0] > 1, "some is done"


def test_a_closed_writer_takes_no_more(tmp_path: Path) -> None:
    table = Table(tmp_path / "numbers.db")
    table.writer.close()
    with pytest.raises(Unavailable):
        table.writer.submit(add(1), TESTER, org=1)


@pytest.mark.parametrize("error", [Unavailable("not now"), apsw.SQLError("no such table: x")])
def test_upkeep_that_fails_stops_nothing(tmp_path: Path, error: Exception) -> None:
    tried = Event()

    def upkeep(cursor: Cursor, _orgs: Collection[int] | None) -> Collection[int]:
        cursor.execute("CREATE TABLE half (a)")
        tried.set()
        raise error

    writer = Writer(partial(SqliteCommitter, tmp_path / "numbers.db"), upkeep, lambda _: None)
    assert tried.wait(timeout=30)
    assert writer.submit(lambda _: 5, TESTER, org=1).result(timeout=30) == 5
    found = writer.submit(
        lambda cursor: cursor.execute("SELECT * FROM sqlite_schema").fetchall(), TESTER, org=1
    )
    assert found.result(timeout=30) == []
    writer.close()
