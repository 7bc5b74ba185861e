"""SQLite finds facts by the index that leads to the fewest, not by the organisation alone.

Without statistics it takes any index that begins with the organisation to lead to a few rows.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import apsw
import pytest

from theodora.events import MatchKeys
from theodora.storage import Organisation, OverrideValues
from theodora.storage.engine.migrate import apply_missing
from theodora.storage.engine.sqlite.connection import connect_memory
from theodora.storage.engine.sqlite.dialect import SQLITE
from theodora.storage.engine.sqlite.schema import SqliteSchema
from theodora.storage.facts.commits import joined_repositories
from theodora.storage.facts.override_history import (
    OverrideAuthor,
    override_records,
    record_override,
)
from theodora.storage.health import _undated

ORG = Organisation(1, "00000000-0000-4000-8000-000000000001", "default")
_STEP = re.compile(r"(?:SEARCH|SCAN) (\w+)(?: USING (.*))?")


class Explaining:
    """A cursor that notes the plan of each statement before it runs it."""

    dialect = SQLITE

    def __init__(self, connection: apsw.Connection) -> None:
        self._cursor = connection.cursor()
        self.plans: list[str] = []

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> "Explaining":
        steps = self._cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        self.plans += [step for *_, step in steps]
        self._cursor.execute(statement, values)
        return self

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)


@pytest.fixture
def cursor() -> Iterator[Any]:
    with closing(connect_memory()) as connection:
        apply_missing(SqliteSchema(connection), 0)
        connection.execute(
            "INSERT INTO organisations (org, uuid, name, created_at_ns) VALUES (1, 'x', 'x', 1)"
        )
        connection.execute("INSERT INTO counters (org, name, value) VALUES (1, 'receipt', 0)")
        yield Explaining(connection)


@pytest.mark.parametrize(
    "ask",
    [
        lambda cursor: joined_repositories(cursor, ORG, MatchKeys(()), "github.com/acme/app"),
        lambda cursor: override_records(cursor, ORG, 7),
        lambda cursor: record_override(
            cursor, ORG, 7, OverrideValues(True), OverrideAuthor("ada", 1, "")
        ),
        lambda cursor: _undated(cursor, ORG),
    ],
    ids=["repositories", "history", "recorded", "undated"],
)
def test_no_lookup_of_facts_goes_through_an_organisation(
    cursor: Any, ask: Callable[[Any], object]
) -> None:
    ask(cursor)
    steps = [_STEP.match(plan) for plan in cursor.plans]
    ways = [step[2] or "" for step in steps if step and step[1] not in {"counters", "r"}]
    assert ways
    assert [way for way in ways if way.endswith("PRIMARY KEY (org=?)") or not way] == []
