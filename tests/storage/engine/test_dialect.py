"""The words that statements take from a dialect."""

from theodora.storage.engine.postgresql.dialect import POSTGRESQL
from theodora.storage.engine.sqlite.dialect import SQLITE

ON = "e.key = p.event"


def test_sqlite_is_told_the_index_and_the_order_of_tables():
    assert SQLITE.glob == "GLOB"
    assert SQLITE.walk_index("by_start") == "INDEXED BY by_start"
    assert SQLITE.join_in_order("events", "e", ON) == f"CROSS JOIN events e ON {ON}"


def test_postgresql_joins_in_order_by_a_subquery_that_cannot_be_flattened():
    assert POSTGRESQL.glob == "LIKE"
    assert POSTGRESQL.walk_index("by_start") == ""
    assert POSTGRESQL.join_in_order("events", "e", ON) == (
        f"CROSS JOIN LATERAL (SELECT * FROM events e WHERE {ON} OFFSET 0) e"
    )
