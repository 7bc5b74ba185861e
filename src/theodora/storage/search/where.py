"""The compiler of query trees to SQL conditions.

The condition is about a table called `e`. No leaf is ever NULL, so that NOT is a true
complement. A random agreement test holds the condition and the matcher together.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import LiteralString, Protocol, assert_never

from theodora.query.ast import (
    And,
    Bound,
    Equals,
    Everything,
    Exists,
    Not,
    NumberRange,
    Or,
    Production,
    Query,
    Text,
    TextRange,
    Wildcard,
)
from theodora.query.fields import EVENT_KINDS, Field, Kind, Tag, Target, Type
from theodora.query.patterns import Pattern, Wild, literal, pattern_of
from theodora.query.pull_request_fields import fields_of
from theodora.query.words import spaced_pattern
from theodora.storage.engine.condition import FALSE, TRUE, Condition
from theodora.storage.engine.dialect import Dialect
from theodora.storage.events.tables import SideValues

_PIECES: Mapping[Type, re.Pattern[str]] = {
    Type.NUMBER: re.compile(r"^[0-9]+$"),
    Type.DURATION: re.compile(r"^[0-9]+$"),
    Type.TIME: re.compile(r"^[0-9]*t?[0-9]*z?$"),
    Type.BOOLEAN: re.compile(r"^(t?r?u?e?|f?a?l?s?e?)$"),
    Type.TEXT: re.compile(""),
}
"""Find something in every piece of a word that the text form of such a value can have."""


class SearchedTable(Protocol):
    """What a condition on the rows of a table depends on; the rows are called `e`."""

    @property
    def kind(self) -> Kind: ...

    def side_values(self, target: Target) -> SideValues | None:
        """Where the values of a target lie that are not in columns."""
        ...

    def column(self, field: Field) -> LiteralString | None:
        """The column of a field; None if it has none."""
        ...

    @property
    def production(self) -> Condition:
        """The condition `is:production`."""
        ...


@lru_cache(maxsize=512)
def compile_where(query: Query, table: SearchedTable, dialect: Dialect) -> Condition:
    """The condition that is true of exactly the events of `table` that match `query`."""
    match query:
        case Everything():
            return TRUE
        case And(parts):
            return _joined(" AND ", [compile_where(part, table, dialect) for part in parts])
        case Or(parts):
            return _joined(" OR ", [compile_where(part, table, dialect) for part in parts])
        case Not(part):
            sql, values = compile_where(part, table, dialect)
            return Condition(f"NOT {sql}", values)
        case Exists(target):
            return _of_values(target, table, lambda value, _: Condition(f"{value} IS NOT NULL"))
        case Equals(target, text):
            return _equals(target, text, table)
        case Wildcard(target, pattern):
            glob = dialect.encode_pattern(pattern)
            return _of_values(
                target, table, lambda value, type_: _fits(value, type_, glob, dialect)
            )
        case NumberRange(field, low, high):
            return _of_values(field, table, lambda value, _: _between(value, low, high))
        case TextRange(target, low, high):
            return _of_values(target, table, lambda value, _: _in_range(value, low, high))
        case Text(words, everywhere):
            return _text(words, table, dialect, everywhere=everywhere)
        case Production():
            return table.production
        case _:
            assert_never(query)


def _joined(operator: LiteralString, conditions: list[Condition]) -> Condition:
    sql = operator.join([condition.sql for condition in conditions])
    return Condition(
        f"({sql})", tuple(value for condition in conditions for value in condition.values)
    )


def _of_values(
    target: Target,
    table: SearchedTable,
    of_value: Callable[[LiteralString, Type], Condition],
) -> Condition:
    """A condition that is true if `of_value` is for any of the target's values."""
    side = table.side_values(target)
    if side is not None:
        what = of_value(side.value, Type.TEXT)
        return Condition(
            f"EXISTS (SELECT 1 FROM {side.rows} AND {side.which.sql} AND {what.sql})",
            (*side.which.values, *what.values),
        )
    column = None if isinstance(target, Tag) else table.column(target)
    if column is None or isinstance(target, Tag):
        return FALSE
    sql, values = of_value(column, target.type)
    # An absent value makes a comparison NULL, and NOT NULL is not true: `-team:x` would lose
    # events.
    return Condition(f"coalesce({sql}, FALSE)", values)


def _equals(target: Target, text: str | bool, table: SearchedTable) -> Condition:
    if isinstance(target, Field) and target.name == "tags" and isinstance(text, str):
        key, colon, value = text.partition(":")
        return _equals(Tag(key), value, table) if colon else FALSE
    operand = int(text) if isinstance(text, bool) else text
    return _of_values(target, table, lambda value, _: Condition(f"{value} = ?", (operand,)))


def _between(value: LiteralString, low: int | None, high: int | None) -> Condition:
    if low is None:
        return Condition(f"{value} <= ?", (high,))
    if high is None:
        return Condition(f"{value} >= ?", (low,))
    return Condition(f"{value} BETWEEN ? AND ?", (low, high))


def _in_range(value: LiteralString, low: Bound | None, high: Bound | None) -> Condition:
    """A tag's value may have to be compared as a number: exactly, so not as a float."""
    if any(bound and bound.number is not None for bound in (low, high)):
        ends = (*_end(low), *_end(high))
        return Condition(f"tag_lies_between({value}, ?, ?, ?, ?)", ends)
    conditions: list[Condition] = []
    if low:
        conditions.append(
            Condition(f"{value} >= ?" if low.inclusive else f"{value} > ?", (low.text,))
        )
    if high:
        conditions.append(
            Condition(f"{value} <= ?" if high.inclusive else f"{value} < ?", (high.text,))
        )
    return _joined(" AND ", conditions)


def _end(bound: Bound | None) -> tuple[str | None, bool]:
    return (bound.text, bound.inclusive) if bound else (None, False)


def _fits(value: LiteralString, type_: Type, glob: str, dialect: Dialect) -> Condition:
    return Condition(f"{_text_form(value, type_)} {dialect.glob} ?", (glob,))


def _text_form(value: LiteralString, type_: Type) -> LiteralString:
    """A value as its text: what a wildcard or a word is compared with."""
    match type_:
        case Type.TEXT:
            return value
        case Type.NUMBER | Type.DURATION:
            return f"CAST({value} AS TEXT)"
        case Type.BOOLEAN:
            # The matcher compares the words true and false, and the databases store 1 and 0.
            return f"CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        case Type.TIME:
            return f"rfc3339({value})"
        case _:
            assert_never(type_)


def _text(
    words: tuple[Pattern, ...], table: SearchedTable, dialect: Dialect, *, everywhere: bool
) -> Condition:
    searched = _contains("e.words", words, dialect)
    if not everywhere:
        return searched
    # Texts of events that free text skips are in `other_words`; what has no words in the row is
    # turned into words here.
    is_event = table.kind in EVENT_KINDS
    others = [
        _of_values(
            field,
            table,
            lambda value, type_: _contains(
                f"spaced_words({_text_form(value, type_)})", words, dialect
            ),
        )
        for field in fields_of(table.kind)
        if not field.is_searched(table.kind)
        and not (is_event and field.type is Type.TEXT)
        and can_have(field.type, words)
    ]
    if is_event:
        others.append(_contains("e.other_words", words, dialect))
    return _joined(" OR ", [searched, *others])


def can_have(type_: Type, words: tuple[Pattern, ...]) -> bool:
    """Whether the text form of a value of this type can have the words.

    Turning values into words takes most of the time of a search, and few words look like numbers.
    """
    pieces = [piece for word in words for piece in word if isinstance(piece, str)]
    return all(_PIECES[type_].search(piece) for piece in pieces)


def _contains(spaced: LiteralString, words: tuple[Pattern, ...], dialect: Dialect) -> Condition:
    """A condition: the words, one after another, in a text of words with a space on either side."""
    sought = spaced_pattern(words)
    text = literal(sought)
    if text is not None:
        return Condition(f"instr({spaced}, ?) > 0", (text,))
    # The longest piece rules most texts out in no time, the pattern nearly all others, without a
    # step of Python on SQLite. It is not enough: its wildcards reach beyond the end of a word.
    longest = max((piece for piece in sought if isinstance(piece, str)), key=len)
    around = pattern_of((Wild.RUN, *sought, Wild.RUN))
    return Condition(
        f"CASE WHEN instr({spaced}, ?) > 0 AND {spaced} {dialect.glob} ? "
        f"THEN words_stand_in(?, {spaced}) ELSE FALSE END",
        (longest, dialect.encode_pattern(around), dialect.encode_words(words)),
    )
