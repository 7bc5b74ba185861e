"""The tables of a copy, and the omissions with their reasons.

Tables, keys and columns are those that the migrations of this version make. They are read from a
new database in memory, because the one that is copied may have further tables: Litestream adds
some, and so do extensions of PostgreSQL.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from graphlib import TopologicalSorter
from typing import LiteralString, cast

import apsw

from theodora.storage.engine.cursor import Row
from theodora.storage.engine.migrate import apply_missing
from theodora.storage.engine.sqlite.connection import connect_memory
from theodora.storage.engine.sqlite.schema import SqliteSchema

Columns = tuple[LiteralString, ...]

_COLUMNS = (
    "SELECT m.name, p.name, p.pk FROM sqlite_schema m, pragma_table_xinfo(m.name) p "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND p.hidden = 0 "
    "ORDER BY m.name, p.cid"
)
_REFERENCES = (
    'SELECT DISTINCT f."table" FROM pragma_foreign_key_list(?1) f WHERE f."table" <> ?1 ORDER BY 1'
)


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table whose rows are copied one by one, in the order of its primary key."""

    name: LiteralString
    key: Columns
    others: Columns = ()
    condition: LiteralString = "1 = 1"
    """Which rows are copied."""
    bound: Row = ()
    """The values of the condition."""

    @property
    def columns(self) -> Columns:
        """The columns of a row, those of the key first."""
        return self.key + self.others

    def key_of(self, row: Row) -> Row:
        return row[: len(self.key)]


@dataclass(frozen=True, slots=True)
class Omission:
    """Rows that a copy omits."""

    reason: str
    all_but: LiteralString | None = None
    """True of the rows of the table that are copied all the same; without it none is."""


OMISSIONS: Mapping[str, Omission] = {
    "counters": Omission(
        "the counter of commits is a database's own", "(org <> 0 OR name <> 'commits')"
    ),
    "migrations": Omission("each database notes its own"),
    "sequences": Omission(
        "guards derivations that processes are writing, and a copy has no processes"
    ),
}
"""By table; every other table is copied completely."""


@cache
def copied_tables() -> tuple[CopiedTable, ...]:
    """In an order in which each row finds the rows that it refers to."""
    with closing(connect_memory()) as connection:
        apply_missing(SqliteSchema(connection), 0)
        return tables_of(connection)


def of_organisation(table: CopiedTable, key: int) -> CopiedTable:
    """The rows of one organisation, and the counters that a store needs."""
    assert "org" in table.columns, f"the rows of {table.name} do not name their organisation"
    chosen: LiteralString = "org IN (?, 0)" if table.name == "counters" else "org = ?"
    return replace(table, condition=f"{table.condition} AND {chosen}", bound=(key,))


def tables_of(connection: apsw.Connection) -> tuple[CopiedTable, ...]:
    """Those of a database with a schema; see `copied_tables`."""
    columns: dict[str, list[tuple[str, int]]] = {}
    for table, column, position in connection.execute(_COLUMNS):
        columns.setdefault(str(table), []).append((str(column), cast("int", position)))
    references = {
        table: [str(name) for (name,) in connection.execute(_REFERENCES, (table,))]
        for table in columns
    }
    return tuple(
        _copied(table, columns[table])
        for table in TopologicalSorter(references).static_order()
        if table not in OMISSIONS or OMISSIONS[table].all_but
    )


def _copied(name: str, columns: list[tuple[str, int]]) -> CopiedTable:
    """The table with these columns, each with its place in the primary key or 0."""
    key = sorted((position, column) for column, position in columns if position)
    assert key, f"{name} has no primary key: copies cannot go through it in order"
    omission = OMISSIONS.get(name)
    return CopiedTable(
        _literal(name),
        tuple(_literal(column) for _, column in key),
        tuple(_literal(column) for column, position in columns if not position),
        (omission and omission.all_but) or "1 = 1",
    )


def _literal(name: str) -> LiteralString:
    """A name from our own migrations."""
    return cast("LiteralString", name)
