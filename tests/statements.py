"""Statements on tenants' tables: each has to be restricted to an organisation.

`StatementWatch` sees every statement that the store sends in a process of tests, and fails the test
that first sends one which is not. `unrestricted` reads as much of SQL as these statements need: the
tables of each SELECT, INSERT, UPDATE and DELETE, and equalities of `org`, which it follows from
bound values to each table.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import theodora
from theodora.storage.engine.migrate import apply_missing
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor
from theodora.storage.engine.postgresql.database import PostgresqlDatabase
from theodora.storage.engine.sqlite.connection import _SqliteCursor, connect_memory
from theodora.storage.engine.sqlite.schema import SqliteSchema

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\?\d*|\$\d+|\w+(?:\.\w+)?|[^\s\w]")
_QUERY = frozenset({"SELECT", "WITH", "VALUES"})
_SETS = frozenset({"UNION", "EXCEPT", "INTERSECT"})
_AFTER_SOURCE = frozenset(
    (
        *("SELECT", "VALUES", "DEFAULT", "SET", "DO", "JOIN", "LEFT", "INNER", "CROSS", "FULL"),
        *("LATERAL", "INDEXED", "ON", "USING", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER"),
        *("LIMIT", "OFFSET", "RETURNING", "FOR"),
    )
)
"""Words that end a condition, or follow a table in place of another name for it."""
_ABOUT_ALL = {"organisations", "organisation_deletions"}
"""Say which organisations there are."""

_Node: TypeAlias = "str | list[_Node]"


@cache
def _tables() -> frozenset[str]:
    """The tables with an organisation."""
    with closing(connect_memory()) as connection:
        apply_missing(SqliteSchema(connection), 0)
        rows = connection.execute(
            "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) p "
            "WHERE m.type = 'table' AND p.name = 'org'"
        ).fetchall()
    return frozenset(name for (name,) in rows)


@cache
def unrestricted(statement: str) -> frozenset[str]:
    """The tenants' tables that the statement reads or writes without naming the organisation."""
    tokens = (each for each in _TOKEN.findall(statement) if not each.startswith("--"))
    found: set[str] = set()
    _read_query(_grouped(tokens), None, found)
    return frozenset(found)


def _grouped(tokens: Iterator[str]) -> list[_Node]:
    """The tokens up to the end or a closing bracket; what is in brackets as a list."""
    nodes: list[_Node] = []
    for token in tokens:
        if token == ")":
            break
        nodes.append(_grouped(tokens) if token == "(" else token)
    return nodes


@dataclass
class _Scope:
    """The sources of one SELECT or of a statement that writes."""

    parent: "_Scope | None"
    tables: dict[str, str] = field(default_factory=dict)
    """By the names that they have here; empty for a subquery."""
    restricted: set[str] = field(default_factory=set)

    def is_restricted(self, name: str) -> bool:
        if name in self.tables:
            return name in self.restricted
        return self.parent is not None and self.parent.is_restricted(name)

    @property
    def with_org(self) -> list[str]:
        return [name for name, table in self.tables.items() if table in _tables()]


def _read_query(nodes: Sequence[_Node], parent: _Scope | None, found: set[str]) -> None:
    """Adds the unrestricted tables of a query, or of a statement."""
    nodes = _without_ctes(nodes, parent, found)
    start = 0
    for at, node in enumerate([*nodes, "UNION"]):
        if _word(node) in _SETS:
            _read_part(nodes[start:at], parent, found)
            start = at + 1


def _without_ctes(
    nodes: Sequence[_Node], parent: _Scope | None, found: set[str]
) -> Sequence[_Node]:
    if not nodes or _word(nodes[0]) != "WITH":
        return nodes
    at = 1
    while _word(nodes[at]) not in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
        node = nodes[at]
        if isinstance(node, list) and _is_query(node):
            _read_query(node, parent, found)
        at += 1
    return nodes[at:]


def _read_part(nodes: Sequence[_Node], parent: _Scope | None, found: set[str]) -> None:
    scope = _Scope(parent)
    links: list[tuple[str, str]] = []
    kind = _word(nodes[0]) if nodes else ""
    if kind == "INSERT":
        nodes = _read_insert(nodes, parent, found)
    at, in_from = 0, False
    while at < len(nodes):
        word = _word(nodes[at])
        if word in {"UPDATE", "JOIN"} or (
            word == "FROM" and (at == 0 or _word(nodes[at - 1]) != "DISTINCT")
        ):
            in_from = True
            if not (word == "UPDATE" and at):
                at = _add_source(nodes, at + 1, scope)
                continue
        elif word == "," and in_from:
            at = _add_source(nodes, at + 1, scope)
            continue
        elif word in {"WHERE", "ON"} and _word(nodes[at - 1]) != "DISTINCT":
            in_from = in_from and word == "ON"
            end = next(
                (n for n in range(at + 1, len(nodes)) if _word(nodes[n]) in _AFTER_SOURCE),
                len(nodes),
            )
            if _word(nodes[at + 1]) != "CONFLICT":
                links += _equal(nodes[at + 1 : end], scope)
            at = end
            continue
        elif word == "USING" and "org" in nodes[at + 1]:
            links += [(one, other) for one, other in pairwise(scope.with_org)]
        elif word in {"SET", "GROUP", "ORDER", "LIMIT", "RETURNING"}:
            in_from = False
        at += 1
    _follow(links, scope)
    found.update(
        scope.tables[name]
        for name in scope.with_org
        if name not in scope.restricted and scope.tables[name] not in _ABOUT_ALL
    )
    for query in _queries(nodes):
        _read_query(query, scope, found)


def _read_insert(nodes: Sequence[_Node], parent: _Scope | None, found: set[str]) -> Sequence[_Node]:
    """Looks for `org` among the columns; returns the rest, from SELECT on."""
    into = next(at for at, node in enumerate(nodes) if _word(node) == "INTO")
    table, columns = nodes[into + 1], nodes[into + 2]
    if table in _tables() - _ABOUT_ALL and "org" not in columns:
        found.add(str(table))
    start = next((at for at, node in enumerate(nodes) if _word(node) == "SELECT"), len(nodes))
    # An upsert finds its row by the conflict.
    end = next(
        (
            at
            for at, pair in enumerate(pairwise(nodes))
            if [*map(_word, pair)] == ["ON", "CONFLICT"]
        ),
        len(nodes),
    )
    for query in _queries(nodes[min(start, end) : start] + nodes[end:]):
        _read_query(query, parent, found)
    return nodes[start:end]


def _add_source(nodes: Sequence[_Node], at: int, scope: _Scope) -> int:
    """Adds the table or subquery at a place; returns the place after its name."""
    if _word(nodes[at]) == "LATERAL":
        at += 1
    node = nodes[at]
    table = node if isinstance(node, str) else ""
    at += 1
    is_function = table and at < len(nodes) and isinstance(nodes[at], list)
    if is_function and _word(nodes[at - 2]) != "INTO":
        table, at = "", at + 1
    if at < len(nodes) and _word(nodes[at]) == "AS":
        at += 1
    following = nodes[at] if at < len(nodes) else "WHERE"
    is_named = (
        isinstance(following, str)
        and following[0].isalpha()
        and _word(following) not in _AFTER_SOURCE
    )
    name = str(following) if is_named else table
    scope.tables[name] = table
    if table not in _tables():
        # What a subquery lacks is found in the subquery.
        scope.restricted.add(name)
    return at + is_named


def _equal(condition: Sequence[_Node], scope: _Scope) -> list[tuple[str, str]]:
    """The sources whose organisation is that of another; an empty name stands for a bound value."""
    if any(_word(node) == "OR" for node in condition):
        return []
    found: list[tuple[str, str]] = []
    for at, node in enumerate(condition):
        before = condition[at - 1] if at else "AND"
        after = condition[at + 1] if at + 1 < len(condition) else ""
        if isinstance(node, list):
            if _word(before) in {"AND", "BETWEEN"} and not _is_query(node):
                found += _equal(node, scope)
            if _word(after) == "IN" and "org" in node:
                found += [(name, "") for name in scope.with_org]
        elif node == "=" and isinstance(before, str) and isinstance(after, str):
            found += _linked(before, after, scope) + _linked(after, before, scope)
        elif node == "IN" and isinstance(before, str) and _is_query(after):
            found += _linked(before, "", scope)
    return found


def _linked(one: str, other: str, scope: _Scope) -> list[tuple[str, str]]:
    """What an equality of two terms says of the first."""
    name, _, column = one.rpartition(".")
    names = [name] if name else scope.with_org
    other_name, _, other_column = other.rpartition(".")
    if column != "org":
        return []
    is_column = other_column == "org"
    return [(each, other_name if is_column else "") for each in names]


def _follow(links: list[tuple[str, str]], scope: _Scope) -> None:
    """Marks the sources whose organisation is bound, or that of a restricted one."""
    both = links + [(other, one) for one, other in links if other]
    changed = True
    while changed:
        reached = {
            one for one, other in both if not other or scope.is_restricted(other)
        } & scope.tables.keys()
        changed = not reached <= scope.restricted
        scope.restricted |= reached


def _queries(nodes: Sequence[_Node]) -> Iterator[Sequence[_Node]]:
    """The subqueries, at any depth of brackets that are none themselves."""
    for node in nodes:
        if isinstance(node, list):
            if _is_query(node):
                yield node
            else:
                yield from _queries(node)


def _is_query(node: _Node) -> bool:
    return isinstance(node, list) and bool(node) and _word(node[0]) in _QUERY


def _word(node: _Node) -> str:
    return node.upper() if isinstance(node, str) else ""


STORAGE = Path(theodora.__file__).parent / "storage"


_BY_SECRET = "finds by a secret, which names the organisation"
_BY_NAME = "finds an organisation by its name"
_TOTALS = "/metrics shows sums of the complete store"
_UPKEEP = "upkeep finds what is due, whichever organisation has it"
MAY_NAME_NONE: Mapping[str, str] = {
    "backup/": "a backup holds the complete store",
    "copy/": "a copy holds the complete store",
    "check/": "a check reads the complete store in one snapshot, and a repair writes all of it",
    "access/key_rows.py:add_key": _BY_SECRET,
    "access/key_rows.py:any_key_exists": "whether there is any key decides what a start shows",
    "access/key_rows.py:find_key": _BY_SECRET,
    "access/key_rows.py:has_secret": _BY_SECRET,
    "access/sessions.py:_find": _BY_SECRET,
    "access/notifications.py:_organisations": _UPKEEP,
    "access/share_links.py:ShareLinks.find": _BY_SECRET,
    "access/sources.py:Sources.find": _BY_SECRET,
    "access/audit.py:_chains_with_older": _UPKEEP,
    "access/audit.py:_chains_with_unlogged": _UPKEEP,
    "access/forwarding.py:Forwarding.due": _UPKEEP,
    "access/forwarding.py:Forwarding.totals": _TOTALS,
    "access/sessions.py:_orgs_with_ended": _UPKEEP,
    "access/share_links.py:_orgs_with_ended": _UPKEEP,
    "deletion_guards.py:": _UPKEEP,
    "derivation/parked.py:": _UPKEEP,
    "events/default_team.py:orgs_with_stale_teams": _UPKEEP,
    "events/index.py:orgs_to_index": _UPKEEP,
    "facts/own_bots.py:orgs_with_stale_bots": _UPKEEP,
    "facts/pull_request_rows.py:_organisations_with_old": _UPKEEP,
    "events/rows.py:Rows.count": _TOTALS,
    "events/usage.py:differing_usage": "a check counts the complete store",
    "facts/correlations.py:orgs_with_old_correlations": _UPKEEP,
    "facts/derivation_queue.py:": _UPKEEP,
    "facts/mirrors.py:_all": _UPKEEP,
    "facts/repository_upgrade.py:_is_current": "new rules apply to the complete store",
    "facts/source_facts.py:orgs_with_old_facts": _UPKEEP,
    "inbox.py:Inbox.due": _UPKEEP,
    "inbox.py:Inbox.to_prune": _UPKEEP,
    "organisations.py:_due": _UPKEEP,
    "organisations.py:_all": _UPKEEP,
    "organisations.py:_get": _BY_NAME,
    "retention.py:_limits": _UPKEEP,
}
"""Folders, files and functions below `storage` whose statements are about all organisations."""


class StatementWatch:
    """Looks at the statements that are sent through cursors in this process."""

    def __init__(self) -> None:
        self._restricted: set[str] = set()
        self._faults: list[str] = []

    def begin(self) -> None:
        make = _SqliteCursor.__init__

        def make_watched(cursor: Any, *arguments: Any) -> None:
            make(cursor, *arguments)
            cursor.execute = self._watched(cursor.execute)
            cursor.executemany = self._watched(cursor.executemany)

        _SqliteCursor.__init__ = make_watched
        for name in ("execute", "executemany"):
            setattr(PostgresqlCursor, name, self._watched_method(getattr(PostgresqlCursor, name)))
        PostgresqlDatabase.ask_soon = self._watched_method(PostgresqlDatabase.ask_soon)

    def check(self) -> None:
        """Fails with what has been sent since the last time."""
        faults, self._faults = self._faults, []
        assert not faults, "statements that name no organisation:\n" + "\n".join(faults)

    def _watched(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def watched(statement: str, *values: Any) -> Any:
            if statement not in self._restricted:
                self._look_at(statement)
            return send(statement, *values)

        return watched

    def _watched_method(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def watched(cursor: Any, statement: str, *values: Any) -> Any:
            if statement not in self._restricted:
                self._look_at(statement)
            return send(cursor, statement, *values)

        return watched

    def _look_at(self, statement: str) -> None:
        tables = unrestricted(statement)
        if not tables:
            self._restricted.add(statement)
        elif (sender := _sender()) and not _may_name_none(sender):
            self._faults.append(f"{sender} on {', '.join(sorted(tables))}: {statement}")


def _sender() -> str:
    """The file and function below `storage` that sends a statement; empty if a test does."""
    frame = sys._getframe(3)
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(STORAGE):
        return ""
    function = frame.f_code.co_qualname.partition(".<locals>")[0]
    return f"{path.relative_to(STORAGE)}:{function}"


def _may_name_none(sender: str) -> bool:
    return any(sender.startswith(place) for place in MAY_NAME_NONE)


WATCH = StatementWatch()
"""The one of this process."""
