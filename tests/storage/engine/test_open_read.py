"""Reads inside reads: one transaction, and nothing of it left open."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from actors import TESTER
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.open import open_database


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with closing(open_database(database, lambda *_: (), lambda _: None)) as opened:
        yield opened


def numbers(cursor: Cursor) -> Cursor:
    return cursor.execute("SELECT number FROM migrations ORDER BY number")


def add_counter(cursor: Cursor) -> None:
    cursor.execute("INSERT INTO counters (org, name, value) VALUES (0, 'inner', 7)")


def counters(cursor: Cursor) -> int:
    return only_value(cursor.execute("SELECT count(*) FROM counters WHERE name = 'inner'"))


def test_a_read_inside_a_read_sees_the_same(opened: Database) -> None:
    def outer(cursor: Cursor) -> list[int]:
        seen = [counters(cursor)]
        state = opened.state()
        opened.write(add_counter, TESTER, org=0).result()
        seen += [opened.read(counters), opened.primary.read(counters), counters(cursor)]
        assert opened.state() == state
        return seen

    before = opened.state()
    assert opened.read(counters) == 0
    assert opened.read(outer) == [0, 0, 0, 0]
    assert opened.read(counters) == 1
    assert opened.state() != before


def test_the_rows_of_the_outer_read_are_not_lost(opened: Database) -> None:
    def outer(cursor: Cursor) -> list[tuple[int, int]]:
        return [(number, opened.read(counters)) for (number,) in numbers(cursor)]

    every = [number for (number,) in opened.read(lambda cursor: numbers(cursor).fetchall())]
    assert len(every) > 2
    assert opened.read(outer) == [(number, 0) for number in every]


def test_an_error_in_the_inner_read_ends_only_that_where_it_is_caught(opened: Database) -> None:
    def fail(_: Cursor) -> None:
        raise LookupError

    def outer(cursor: Cursor) -> int:
        counters(cursor)
        with pytest.raises(LookupError):
            opened.read(fail)
        opened.write(add_counter, TESTER, org=0).result()
        return opened.read(counters)

    assert opened.read(outer) == 0
    with pytest.raises(LookupError):
        opened.read(lambda _: opened.read(fail))
    assert opened.read(counters) == 1


@pytest.mark.databases("sqlite")
def test_the_log_can_be_folded_back_once_reads_have_ended(opened: Database, tmp_path: Path) -> None:
    """A snapshot that stays open would keep SQLite's log growing."""

    def outer(_: Cursor) -> bool:
        opened.read(counters)
        opened.write(add_counter, TESTER, org=0).result()
        return is_folded_back()

    def is_folded_back() -> bool:
        with closing(apsw.Connection(str(tmp_path / "theodora.db"))) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        return busy == 0

    assert not opened.read(outer)
    assert is_folded_back()
