"""The abstract syntax tree of a query, with frozen nodes and parsed operands.

A leaf is true or false for an event, never unknown: false if the event lacks the field.
Conjunctions are flat: a part of an `And` is no `And`, a part of an `Or` no `Or`, and the part of a
`Not` no `Not`. `all_of`, `any_of` and `complement` keep them so.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from theodora.query.fields import Field, Target
from theodora.query.patterns import Pattern


class Node(Struct, frozen=True, cache_hash=True):
    """A node; results are cached by the hash of a complete tree, so that is computed once."""


class Everything(Node, frozen=True):
    """Matches every event."""


class And(Node, frozen=True):
    """Matches if every part does; it has at least two."""

    parts: "tuple[Query, ...]"


class Or(Node, frozen=True):
    """Matches if any part does; it has at least two."""

    parts: "tuple[Query, ...]"


class Not(Node, frozen=True):
    """Matches if its part does not."""

    part: "Query"


class Exists(Node, frozen=True):
    """Matches if the event has a value."""

    target: Target


class Equals(Node, frozen=True):
    """Matches a value that equals a text, or a boolean for boolean fields."""

    target: Target
    value: str | bool


class Wildcard(Node, frozen=True):
    """Matches a value whose text form fits a pattern with at least one wildcard."""

    target: Target
    pattern: Pattern


class NumberRange(Node, frozen=True):
    """Matches a number, duration (seconds) or time (nanoseconds) in a range, ends included.

    Ends fit int64; None is an open end, at most one of the two. Nothing lies in a range
    whose low end is above its high end.
    """

    target: Field
    low: int | None
    high: int | None


class Bound(Struct, frozen=True):
    """One end of a range of texts."""

    text: str
    number: Decimal | None
    """`text` as a number, if the target is a tag and it is one.

    It is compared with values that are numbers too; other values are compared with `text`.
    """
    inclusive: bool


class TextRange(Node, frozen=True):
    """Matches a text in a range, by code point; None is an open end, at most one of the two."""

    target: Target
    low: Bound | None
    high: Bound | None


class Text(Node, frozen=True):
    """Matches words that follow each other in one value.

    The values are those of the fields with `in_free_text`, or, `everywhere`, the text forms
    of all fields. Words are case-folded; a literal piece of one holds word characters only.
    """

    words: tuple[Pattern, ...]
    everywhere: bool


class Production(Node, frozen=True):
    """Matches events in production, as the settings define it: see `theodora.query.production`."""


Leaf: TypeAlias = Exists | Equals | Wildcard | NumberRange | TextRange | Text
Query: TypeAlias = Everything | Leaf | Production | And | Or | Not

NOTHING = Not(Everything())
"""Matches no event."""


def leaves_of(query: Query) -> "Iterator[Everything | Leaf | Production]":
    """What is combined by `And`, `Or` and `Not`, in order."""
    match query:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves_of(part)
        case Not(part):
            yield from leaves_of(part)
        case _:
            yield query


def all_of(queries: Iterable[Query]) -> Query:
    """The conjunction of at least one query."""
    parts = tuple(
        part for query in queries for part in (query.parts if isinstance(query, And) else (query,))
    )
    return parts[0] if len(parts) == 1 else And(parts)


def any_of(queries: Iterable[Query]) -> Query:
    """The disjunction of at least one query."""
    parts = tuple(
        part for query in queries for part in (query.parts if isinstance(query, Or) else (query,))
    )
    return parts[0] if len(parts) == 1 else Or(parts)


def complement(query: Query) -> Query:
    """The complement of `query`."""
    return query.part if isinstance(query, Not) else Not(query)
