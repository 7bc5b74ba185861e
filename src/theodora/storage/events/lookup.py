"""Lookups in the index together with the events that are not indexed yet.

Events are indexed some time after they are written, so an index alone is never the answer.
Everything that reads postings, numbers or words gets the other half from here.
"""

from typing import Any, LiteralString

from theodora.storage.engine.condition import Condition
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.organisations import Organisation, last_number
from theodora.storage.events.index import watermark_of
from theodora.storage.events.tables import EventTable
from theodora.storage.events.terms import Term


def events_with(table: EventTable[Any], org: Organisation, term: Term) -> Condition:
    """A statement for the keys (`event`) of the organisation's events with a term, each once."""
    condition, rest = _term_condition(table, term), unindexed(table, org)
    return Condition(
        f"SELECT event FROM {table.postings} WHERE org = ? AND term = ? "
        f"UNION ALL SELECT e.key AS event FROM {table.name} e WHERE {rest.sql} AND {condition.sql}",
        (org.key, str(term), *rest.values, *condition.values),
    )


def unindexed(table: EventTable[Any], org: Organisation) -> Condition:
    """True of those events `e` of the organisation that are not indexed yet."""
    # The sign keeps SQLite from walking all of the organisation in search of these few.
    return Condition(
        f"e.key > {watermark_of(table)} AND e.key <= ? AND +e.org = ?",
        (org.key, last_number(org.key), org.key),
    )


def unindexed_elements(table: EventTable[Any], org: Organisation, dialect: Dialect) -> Condition:
    """The part of a statement from FROM on for the elements `x` of such events."""
    rest = unindexed(table, org)
    joined = dialect.join_in_order(table.elements, "x", "x.org = e.org AND x.event = e.key")
    return Condition(f"FROM {table.name} e {joined} WHERE {rest.sql}", rest.values)


def unindexed_reach(table: EventTable[Any], org: Organisation) -> Condition:
    """A statement for a number above 0 if the organisation may have events not indexed yet."""
    rest = unindexed(table, org)
    return Condition(
        f"SELECT coalesce(max(e.key), 0) - {watermark_of(table)} FROM {table.name} e "
        f"WHERE {rest.sql}",
        (org.key, *rest.values),
    )


def has_unindexed(cursor: Cursor, table: EventTable[Any], org: Organisation) -> bool:
    """Whether the organisation may have events that are not indexed yet."""
    reach = unindexed_reach(table, org)
    return only_value(cursor.execute(reach.sql, reach.values)) > 0


def _term_condition(table: EventTable[Any], term: Term) -> Condition:
    """True of those events `e` that are posted under the term once they are indexed."""
    if term.is_tag or term.field in table.arrays:
        return Condition(
            f"EXISTS (SELECT 1 FROM {table.elements} x "
            "WHERE x.org = e.org AND x.event = e.key AND x.field = ? AND x.value = ?)",
            (term.field, term.value),
        )
    return Condition(f"e.{_column(table, term.field)} = ?", (term.value,))


def _column(table: EventTable[Any], field: str) -> LiteralString:
    known: tuple[LiteralString, ...] = (*table.columns, *table.sent_columns)
    return known[known.index(field.replace(".", "_"))]
