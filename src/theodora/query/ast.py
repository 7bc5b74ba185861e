"""The tree of a query: frozen nodes, operands already read.

Leaves are true or false of an event, never unknown: false where the event lacks the field.
Conjunctions are flat: a part of an `And` is no `And`, a part of an `Or` no `Or`, and the
part of a `Not` no `Not`. `all_of`, `any_of` and `complement` keep them so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from theodora.query.fields import Field, Target
from theodora.query.patterns import Pattern


@dataclass(frozen=True, slots=True)
class Everything:
    """True of every event."""


@dataclass(frozen=True, slots=True)
class And:
    """True if every part is; there are two at least."""

    parts: "tuple[Query, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """True if any part is; there are two at least."""

    parts: "tuple[Query, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is not."""

    part: "Query"


@dataclass(frozen=True, slots=True)
class Exists:
    """The event has a value there."""

    target: Target


@dataclass(frozen=True, slots=True)
class Equals:
    """A value is exactly this: a text, or a boolean where the field's type is that."""

    target: Target
    value: str | bool


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A value, in its text form, fits a pattern that holds a wildcard at least."""

    target: Target
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A number, duration (seconds) or time (nanoseconds) lies in a range, its ends included.

    Ends fit int64; None is an open end, at most one of the two. Nothing lies in a range
    whose low end is above its high end.
    """

    target: Field
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range of texts."""

    text: str
    number: Decimal | None
    """`text` as a number, if the target is a tag and it is one.

    It is compared with values that are numbers too; other values are compared with `text`.
    """
    inclusive: bool


@dataclass(frozen=True, slots=True)
class TextRange:
    """A text lies in a range, by code point; None is an open end, at most one of the two."""

    target: Target
    low: Bound | None
    high: Bound | None


@dataclass(frozen=True, slots=True)
class Text:
    """Words stand one after another in one value.

    The values are those of the fields with `in_free_text`, or, `everywhere`, the text forms
    of all fields. Words are case-folded; a literal piece of one holds word characters only.
    """

    words: tuple[Pattern, ...]
    everywhere: bool


@dataclass(frozen=True, slots=True)
class Production:
    """The event is in production, as settings say: see `theodora.query.production`."""


Leaf: TypeAlias = Exists | Equals | Wildcard | NumberRange | TextRange | Text
Query: TypeAlias = Everything | Leaf | Production | And | Or | Not

NOTHING = Not(Everything())
"""True of no event."""


def all_of(queries: Iterable[Query]) -> Query:
    """The conjunction of one query or more."""
    parts = tuple(
        part for query in queries for part in (query.parts if isinstance(query, And) else (query,))
    )
    return parts[0] if len(parts) == 1 else And(parts)


def any_of(queries: Iterable[Query]) -> Query:
    """The disjunction of one query or more."""
    parts = tuple(
        part for query in queries for part in (query.parts if isinstance(query, Or) else (query,))
    )
    return parts[0] if len(parts) == 1 else Or(parts)


def complement(query: Query) -> Query:
    """What is true where `query` is not."""
    return query.part if isinstance(query, Not) else Not(query)
