"""Searches of the audit log, in the language that events are searched in."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, assert_never

from theodora.errors import Invalid, Problem
from theodora.query import (
    And,
    Equals,
    Everything,
    Exists,
    Field,
    Not,
    NumberRange,
    Or,
    Production,
    Query,
    Text,
    TextRange,
    Wildcard,
    leaves_of,
    parse,
)
from theodora.query.matches import TargetLeaf, holds
from theodora.query.words import stand_in
from theodora.storage.engine.audit import AuditEntry


class AuditField(NamedTuple):
    """A field of entries that a search may name; its values are texts."""

    name: str
    about: str
    paths: tuple[str, ...]
    """The attributes of an entry that have its values."""
    in_free_text: bool = True

    def values(self, entry: AuditEntry) -> Sequence[str]:
        """Those that are not empty."""
        return [text for path in self.paths if (text := str(attrgetter(path)(entry)))]


AUDIT_FIELDS: tuple[AuditField, ...] = (
    AuditField("actor", "name or id of who did it", ("actor.name", "actor.id")),
    AuditField(
        *("actor_kind", "`key`, `person`, `source`, `command` or `worker`"),
        *(("actor.kind",), False),
    ),
    AuditField("address", "IP address of the client", ("actor.address",)),
    AuditField("action", "what was done, such as `key.created`", ("action",)),
    AuditField("target", "what it was done to", ("target",)),
    AuditField("before", "values before the change, as JSON", ("before",)),
    AuditField("after", "values after it, as JSON", ("after",)),
    AuditField("outcome", "`done` or `refused`", ("outcome",), in_free_text=False),
    AuditField("reason", "why it was refused or done", ("reason",)),
    AuditField("number", "number of the entry", ("number",), in_free_text=False),
    AuditField("at", "when it was written, in RFC 3339 and UTC", ("at",), in_free_text=False),
)
"""Every field; parser and printer are those of events."""

_BY_NAME: Mapping[str, AuditField] = {each.name: each for each in AUDIT_FIELDS}


def read_audit_search(text: str) -> Query:
    """Parses a search. Raises `Invalid`, also for names that entries do not have."""
    query = parse(text)
    for leaf in leaves_of(query):
        if isinstance(leaf, Everything):
            continue
        if isinstance(leaf, Production):
            raise Invalid(Problem("is:production is about events", path=("query",)))
        name = _name_of(leaf)
        if name and name not in _BY_NAME:
            known = " ".join(_BY_NAME)
            raise Invalid(Problem(f'"{name}" must be one of "{known}"', path=("query",)))
    return query


def entry_matches(query: Query, entry: AuditEntry) -> bool:
    """Whether an entry matches a search that `read_audit_search` has read."""
    match query:
        case And(parts):
            return all(entry_matches(part, entry) for part in parts)
        case Or(parts):
            return any(entry_matches(part, entry) for part in parts)
        case Not(part):
            return not entry_matches(part, entry)
        case Everything():
            return True
        case Production():
            return False
        case Text(words, everywhere):
            searched = (each for each in AUDIT_FIELDS if each.in_free_text or everywhere)
            return any(stand_in(words, text) for each in searched for text in each.values(entry))
        case Exists() | Equals() | Wildcard() | TextRange() | NumberRange():
            return holds(query, _BY_NAME[_name_of(query)].values(entry))
        case _:
            assert_never(query)


def _name_of(leaf: TargetLeaf | Text) -> str:
    """The field that a leaf names; empty for free text."""
    if isinstance(leaf, Text):
        return ""
    return leaf.target.name if isinstance(leaf.target, Field) else leaf.target.key
