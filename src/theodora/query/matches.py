"""The matcher of events and queries.

This is the specification of the search language; the SQL that `storage` compiles is held to
it by a random agreement test.
"""

from collections.abc import Sequence
from typing import TypeAlias, assert_never

from theodora.query.ast import (
    And,
    Bound,
    Equals,
    Everything,
    Exists,
    Leaf,
    Not,
    NumberRange,
    Or,
    Production,
    Query,
    Text,
    TextRange,
    Wildcard,
)
from theodora.query.fields import Scalar, Searched
from theodora.query.operands import parse_number
from theodora.query.patterns import fits
from theodora.query.production import DEFAULT_PRODUCTION, ProductionEnvs
from theodora.query.pull_request_fields import fields_of, kind_of
from theodora.query.words import stand_in

TargetLeaf: TypeAlias = Exists | Equals | Wildcard | NumberRange | TextRange
"""A leaf about the values of one field or tag."""


def matches(query: Query, event: Searched, production: ProductionEnvs = DEFAULT_PRODUCTION) -> bool:
    """Whether `event` matches. `Not` is a true complement: no part is ever unknown."""
    match query:
        case Everything():
            return True
        case And(parts):
            return all(matches(part, event, production) for part in parts)
        case Or(parts):
            return any(matches(part, event, production) for part in parts)
        case Not(part):
            return not matches(part, event, production)
        case Production():
            return production.hold(event)
        case _:
            return _holds(query, event)


def _holds(leaf: Leaf, event: Searched) -> bool:
    if not isinstance(leaf, Text):
        return holds(leaf, leaf.target.values(event))
    kind = kind_of(event)
    return any(
        stand_in(leaf.words, text)
        for field in fields_of(kind)
        if leaf.everywhere or field.is_searched(kind)
        for text in field.texts(event)
    )


def holds(leaf: TargetLeaf, values: Sequence[Scalar]) -> bool:
    """Whether a leaf matches any of these values.

    Without values, no leaf matches.
    """
    match leaf:
        case Exists():
            return len(values) > 0
        case Equals(_, value):
            return value in values
        case Wildcard(target, pattern):
            return any(fits(pattern, target.text_form(value)) for value in values)
        case NumberRange(_, low, high):
            return any(_is_number_between(value, low, high) for value in values)
        case TextRange(target, low, high):
            return any(_is_text_between(target.text_form(each), low, high) for each in values)
        case _:
            assert_never(leaf)


def _is_number_between(value: str | int, low: int | None, high: int | None) -> bool:
    return (
        isinstance(value, int) and (low is None or low <= value) and (high is None or value <= high)
    )


def _is_text_between(text: str, low: Bound | None, high: Bound | None) -> bool:
    return (low is None or _order(text, low) >= (0 if low.inclusive else 1)) and (
        high is None or _order(text, high) <= (0 if high.inclusive else -1)
    )


def _order(text: str, bound: Bound) -> int:
    """1, 0 or -1, as `text` comes after, with or before the bound."""
    if bound.number is not None and (value := parse_number(text)) is not None:
        return (value > bound.number) - (value < bound.number)
    return (text > bound.text) - (text < bound.text)
