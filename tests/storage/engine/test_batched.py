"""Batches: writes of a kind that wait next to each other are run as one."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from theodora.storage.engine.actor import UPKEEP
from theodora.storage.engine.batched import Batched
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.engine.sqlite.committer import SqliteCommitter
from theodora.storage.engine.writer import Outcome, Write


class Sink:
    """Writes of numbers, of which none may be negative."""

    def __init__(self, path: Path) -> None:
        self.runs: list[list[int]] = []
        self.committer = SqliteCommitter(path)
        self.commit(lambda cursor: cursor.execute("CREATE TABLE numbers (number)").fetchall())

    def add(self, cursor: Cursor, numbers: Sequence[int]) -> list[int]:
        self.runs.append([*numbers])
        cursor.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in numbers])
        if min(numbers) < 0:
            raise ValueError("negative")
        return [number * 10 for number in numbers]

    def add_others(self, cursor: Cursor, numbers: Sequence[int]) -> list[int]:
        return self.add(cursor, numbers)

    def commit(self, *writes: object) -> list[Outcome]:
        return self.committer.commit([Write(write, UPKEEP, NO_ORGANISATION) for write in writes])  # pyright: ignore[reportArgumentType]

    def rows(self, cursor: Cursor) -> list[int]:
        return [number for (number,) in cursor.execute("SELECT number FROM numbers").fetchall()]


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    return Sink(tmp_path / "numbers.db")


def test_those_next_to_each_other_are_one_run(sink: Sink) -> None:
    outcomes = sink.commit(
        *(Batched(sink.add, 1, number) for number in (1, 2, 3)),
        sink.rows,
        *(Batched(sink.add, 1, number) for number in (4, 5)),
        sink.rows,
    )
    assert [result for result, _ in outcomes] == [10, 20, 30, [1, 2, 3], 40, 50, [1, 2, 3, 4, 5]]
    assert sink.runs == [[1, 2, 3], [4, 5]]


def test_a_run_is_of_one_kind_and_one_organisation(sink: Sink) -> None:
    sink.commit(Batched(sink.add, 1, 1), Batched(sink.add, 2, 2), Batched(sink.add_others, 2, 3))
    assert sink.runs == [[1], [2], [3]]


def test_one_that_fails_takes_nothing_else_of_its_batch_with_it(sink: Sink) -> None:
    outcomes = sink.commit(*(Batched(sink.add, 1, number) for number in (1, -2, 3)))
    assert [result for result, _ in outcomes] == [10, None, 30]
    assert isinstance(outcomes[1].error, ValueError)
    [(rows, _)] = sink.commit(sink.rows)
    assert rows == [1, 3]
