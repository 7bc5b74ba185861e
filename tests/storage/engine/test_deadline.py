"""Deadlines: a read ends when its time is up or nobody waits for it, on both databases."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import LiteralString, cast

import pytest

from databases import Databases
from theodora.errors import TooSlow
from theodora.query.patterns import Wild, pattern_of
from theodora.storage import Deadline, patiently, run_under
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.database import Database
from theodora.storage.engine.deadline import check_deadline
from theodora.storage.engine.sqlite.dialect import SQLITE
from theodora.storage.engine.sqlite.functions import TURNS, Turns
from theodora.storage.open import open_database

ENDLESS = 10**12


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    with databases.new(tmp_path) as url:
        opened = open_database(url, lambda *_: (), lambda _: None, "")
        yield opened
        opened.close()


def count(up_to: int) -> Callable[[Cursor], int]:
    """Counts in one statement: without an end, for as long as anybody would wait."""

    def read(cursor: Cursor) -> int:
        [(found,)] = cursor.execute(
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL "
            "SELECT number + 1 FROM numbers WHERE number < ?) SELECT count(*) FROM numbers",
            (up_to,),
        ).fetchall()
        return found

    return read


def test_a_read_ends_when_its_time_is_up(database: Database) -> None:
    deadline = Deadline(0.2)
    alarm = threading.Timer(0.3, deadline.interrupt)
    alarm.start()
    with pytest.raises(TooSlow, match=r"no answer within 0\.2 seconds"):
        run_under(deadline, database.read, count(ENDLESS))
    alarm.join()
    assert database.read(count(3)) == 3


def test_a_read_ends_when_nobody_waits_for_it(database: Database) -> None:
    deadline = Deadline(3_600)
    stop = threading.Timer(0.2, deadline.stop)
    stop.start()
    with pytest.raises(TooSlow):
        run_under(deadline, database.read, count(ENDLESS))
    stop.join()
    assert database.read(count(3)) == 3


def test_no_read_begins_after_the_deadline(database: Database) -> None:
    with pytest.raises(TooSlow):
        run_under(Deadline(0), database.read, count(3))


def test_a_read_in_time_is_answered(database: Database) -> None:
    assert run_under(Deadline(3_600), database.read, count(100_000)) == 100_000


def test_a_read_ends_within_few_long_calls_of_a_function(tmp_path: Path) -> None:
    sought = SQLITE.encode_words((pattern_of((Wild.RUN, "a", Wild.RUN, "b")),))
    text = "a" * 50 + " "

    def read(cursor: Cursor) -> None:
        cursor.execute(
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL "
            "SELECT number + 1 FROM numbers WHERE number < 100) "
            "SELECT count(*) FROM numbers WHERE words_stand_in(?, ? || number)",
            (sought, text * 2_000),
        ).fetchall()

    database = open_database(f"sqlite:///{tmp_path}/db", lambda *_: (), lambda _: None, "")
    with closing(database), pytest.raises(TooSlow):
        run_under(Deadline(0.02), database.read, read)


@pytest.mark.parametrize(
    "computed",
    [
        "words_stand_in('[[\"a\"]]', 'a')",
        "tag_lies_between('2', '1', 1, '3', 1)",
        "spaced_words('a')",
        "rfc3339(1)",
    ],
)
def test_slow_reads_compute_one_at_a_time_and_brief_ones_do_not_wait(
    tmp_path: Path, computed: str
) -> None:
    def read(cursor: Cursor) -> list[Row]:
        return cursor.execute(cast("LiteralString", f"SELECT {computed}")).fetchall()

    database = open_database(f"sqlite:///{tmp_path}/db", lambda *_: (), lambda _: None, "")
    with (
        closing(database),
        ThreadPoolExecutor(1) as slow,
        ThreadPoolExecutor(1, initializer=database.answer_briefly) as brief,
    ):
        with TURNS:
            waiting = slow.submit(database.read, read)
            brief.submit(database.read, read).result(20)
            assert not wait([waiting], 0.2).done
        waiting.result(20)


def test_slow_reads_rest_after_each_millisecond_of_computing() -> None:
    now_sec = 0.0
    rests: list[float] = []
    turns = Turns(clock=lambda: now_sec, rest=rests.append)
    for _ in range(20):
        with turns:
            now_sec += 0.0006
    assert rests == [0.0005] * 10


def test_an_interruption_after_the_read_meets_nobody_else(database: Database) -> None:
    deadline = Deadline(0.5)

    def read(cursor: Cursor) -> int:
        found = count(3)(cursor)
        time.sleep(0.6)
        return found

    assert run_under(deadline, database.read, read) == 3
    deadline.interrupt()
    assert database.read(count(100_000)) == 100_000


def test_patient_work_may_be_late_but_is_stopped() -> None:
    deadline = Deadline(0.5)

    def work() -> None:
        with patiently():
            time.sleep(0.6)
            check_deadline()
            deadline.stop()
            check_deadline()

    with pytest.raises(TooSlow):
        run_under(deadline, work)
    assert deadline.is_over


def test_a_thread_without_a_deadline_has_all_the_time(database: Database) -> None:
    with pytest.raises(TooSlow):
        run_under(Deadline(0), check_deadline)
    check_deadline()
    assert database.read(count(3)) == 3
