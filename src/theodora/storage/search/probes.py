"""Index probes, which find the candidates of a query.

A probe finds all events that satisfy one leaf, and maybe more; whatever it finds is still
checked against the complete query. So a probe may be chosen for its cost alone.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, LiteralString, TypeAlias, assert_never

from theodora.events.values import INT64
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
from theodora.query.fields import Field, Tag, Target
from theodora.query.patterns import Pattern, literal
from theodora.storage.events.segments import Alternatives
from theodora.storage.events.tables import EventTable
from theodora.storage.events.terms import TAG_PREFIXES, number_bounds, posted_tag
from theodora.storage.search.substrings import trigrams_of_value, trigrams_of_words

_NOT_POSTED = re.compile(r"true|false|standard|rollback|rollforward|[0-9]+(t[0-9]+)?z?")
_LAST_BEFORE_SURROGATES, _FIRST_AFTER_SURROGATES = "\ud7ff", "\ue000"


@dataclass(frozen=True, slots=True)
class TermProbe:
    """The postings of one term, in order of time."""

    term: str


@dataclass(frozen=True, slots=True)
class TermRangeProbe:
    """The postings of every term from `low` up to but not including `high`."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class WordProbe:
    """The postings of every term that holds certain words.

    One lies from `low` up to but not including `high`; the `others` are given.
    """

    low: str
    high: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NumberProbe:
    """The events that have a number from `low` to `high`, both included."""

    field: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class RowProbe:
    """The rows of an index on the events themselves: a condition on table `e`."""

    condition: LiteralString
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ValueProbe:
    """The postings of terms with a value that fits a pattern; those have to be looked up first.

    They begin with one of `starts`; what follows is the value.
    """

    starts: tuple[str, ...]
    pattern: Pattern

    @property
    def ranges(self) -> Iterator[tuple[str, str, str]]:
        """A start, and the terms between which those lie that can fit."""
        beginning = self.pattern[0] if isinstance(self.pattern[0], str) else ""
        for start in self.starts:
            yield start, start + beginning, _after(start + beginning)


@dataclass(frozen=True, slots=True)
class SubstringProbe:
    """The events that may have a part of a word, by trigrams; they have to be looked up first."""

    trigrams: Alternatives


@dataclass(frozen=True, slots=True)
class KeyProbe:
    """The events of some keys, each once."""

    keys: tuple[int, ...]


Probe: TypeAlias = (
    TermProbe
    | TermRangeProbe
    | WordProbe
    | NumberProbe
    | RowProbe
    | ValueProbe
    | SubstringProbe
    | KeyProbe
)
Union: TypeAlias = tuple[Probe, ...]
"""Probes that find, together, all events that satisfy something."""

_NOTHING: tuple[Union, ...] = ((),)
"""One way, which is not to look at all."""


@lru_cache(maxsize=512)
def unions(query: Query, table: EventTable[Any]) -> tuple[Union, ...]:
    """The ways to find all events that satisfy `query`; none if only looking at all will do."""
    match query:
        case And(parts):
            return tuple(union for part in parts for union in unions(part, table))
        case Or(parts):
            choices = [unions(part, table) for part in parts]
            # Each part's first way: a part of a disjunction is a leaf, as a rule.
            return (_together(choice[0] for choice in choices),) if all(choices) else ()
        case (
            Equals(Field() as field)
            | Exists(Field() as field)
            | Wildcard(Field() as field)
            | NumberRange(field)
            | TextRange(Field() as field)
        ) if field.source(table.kind) is None:
            return _NOTHING
        case Equals(target, value):
            return _one(_alone(_equal(target, value, table)))
        case Exists(target):
            return _one(_existing(target, table))
        case Wildcard(target, pattern):
            return tuple(_fitting(target, pattern, table))
        case TextRange(target, low, high):
            return _one(_texts_between(target, low, high, table))
        case NumberRange(field, low, high):
            return _one(_alone(_numbers(field, low, high, table)))
        case Text(words, everywhere):
            found = _free_text(words) if not everywhere or _in_postings(words) else ()
            return found or _substring(trigrams_of_words(words, everywhere=everywhere))
        case Not(Everything()):
            return _NOTHING
        # `EventStore` has replaced `is:production` before a query is run.
        case Everything() | Production() | Not():
            return ()
        case _:
            assert_never(query)


def unindexed_parts(query: Query, table: EventTable[Any]) -> tuple[Query, ...]:
    """The parts that must all be true and that no index finds: what makes a search slow.

    A part of a value is among them: many events may have it, or the field many values.
    """
    parts = query.parts if isinstance(query, And) else (query,)
    return tuple(
        part
        for part in parts
        if not isinstance(part, Everything) and all(map(lookups, unions(part, table)))
    )


def lookups(union: Union) -> int:
    """What has to be looked up before a union can be used: 0 for nothing, more for more."""
    kinds = ((SubstringProbe, 2), (ValueProbe, 1))
    return max(
        (cost for kind, cost in kinds for probe in union if isinstance(probe, kind)), default=0
    )


def _together(chosen: Iterable[Union]) -> Union:
    return tuple(dict.fromkeys(probe for union in chosen for probe in union))


def _one(union: Union) -> tuple[Union, ...]:
    """The only way; none if there is nothing to look at."""
    return (union,) if union else ()


def _substring(trigrams: Alternatives) -> tuple[Union, ...]:
    return ((SubstringProbe(trigrams),),) if trigrams else ()


def _alone(probe: Probe | None) -> Union:
    return (probe,) if probe else ()


def _equal(target: Target, value: str | bool, table: EventTable[Any]) -> Probe | None:
    match target, value:
        case Tag(key), str():
            return TermProbe(posted_tag(key, value))
        case Field(name="tags"), str():
            key, _, value = value.partition(":")
            return TermProbe(posted_tag(key, value))
        case Field(name="id"), str():
            return RowProbe("e.id = ?", (value,))
        case Field(name=name), str() if name in table.posted_fields:
            return TermProbe(f"{name}:{value}")
        case _:
            return _rare_state(target, value)


def _rare_state(target: Target, value: str | bool) -> Probe | None:
    """A probe for a state that few deployments have: it has an index of its own."""
    match target, value:
        case Field(name="change_failure"), True:
            return RowProbe("e.change_failure = 1", ())
        case Field(name="deployment_type"), "rollback" | "rollforward":
            return RowProbe("e.deployment_type <> 'standard'", ())
        case Field(name="remediation.type"), str():
            return RowProbe("e.remediation_id IS NOT NULL", ())
        case _:
            return None


def _existing(target: Target, table: EventTable[Any]) -> Union:
    if starts := _term_starts(target, table):
        return tuple(_beginning_with(start) for start in starts)
    match target:
        case Field(name="remediation.type"):
            return (RowProbe("e.remediation_id IS NOT NULL", ()),)
        case Field(name=name) if name in table.ranged_fields:
            return (NumberProbe(name, *INT64),)
        case _:
            return ()


def _fitting(target: Target, pattern: Pattern, table: EventTable[Any]) -> Iterator[Union]:
    """The ways to find values that fit a pattern, those first that need no look-up."""
    starts = _term_starts(target, table)
    yield from _one(_beginning(target, pattern, table))
    yield from _substring(trigrams_of_value(target, pattern))
    yield from _one((ValueProbe(starts, pattern),) if starts else ())


def _beginning(target: Target, pattern: Pattern, table: EventTable[Any]) -> Union:
    beginning = pattern[0] if isinstance(pattern[0], str) else ""
    if starts := _term_starts(target, table):
        return tuple(_beginning_with(start + beginning) for start in starts)
    if isinstance(target, Field) and target.name == "id" and beginning and beginning.isascii():
        return (RowProbe("e.id >= ? AND e.id < ?", (beginning, _after(beginning))),)
    return ()


def _term_starts(target: Target, table: EventTable[Any]) -> tuple[str, ...]:
    """The first characters of the terms of a target; empty if its values are not posted."""
    match target:
        case Tag(key):
            return tuple(f"{mark}{key}:" for mark in TAG_PREFIXES)
        case Field(name="tags"):
            return TAG_PREFIXES
        case Field(name=name) if name in table.posted_fields:
            return (f"{name}:",)
        case _:
            return ()


def _texts_between(
    target: Target, low: Bound | None, high: Bound | None, table: EventTable[Any]
) -> Union:
    """The terms between two texts; tags that are numbers lie between numbers instead."""
    starts = _term_starts(target, table)
    ends = (low and low.number, high and high.number)
    numbers: Union = ()
    if isinstance(target, Tag) and ends != (None, None):
        numbers = (NumberProbe(f"@{target.key}", *number_bounds(*ends)),)
        starts = starts[:1]
    return (*(_terms_between(start, low, high) for start in starts), *numbers)


def _terms_between(start: str, low: Bound | None, high: Bound | None) -> Probe:
    first = start + low.text if low else start
    after = f"{start}{high.text}\0" if high else _after(start)
    return TermRangeProbe(first, after)


def _beginning_with(start: str) -> Probe:
    return TermRangeProbe(start, _after(start))


def _after(start: str) -> str:
    """The least text that is above every text that begins with `start`."""
    kept = start.rstrip(chr(sys.maxunicode))
    last = kept[-1]
    following = _FIRST_AFTER_SURROGATES if last == _LAST_BEFORE_SURROGATES else chr(ord(last) + 1)
    return kept[:-1] + following


def _numbers(
    field: Field, low: int | None, high: int | None, table: EventTable[Any]
) -> Probe | None:
    ends = (INT64[0] if low is None else low, INT64[1] if high is None else high)
    if field.name in table.ranged_fields:
        return NumberProbe(field.name, *ends)
    column = table.column(field) if field.name in table.indexes else None
    return RowProbe(f"{column} BETWEEN ? AND ?", ends) if column else None


def _free_text(words: tuple[Pattern, ...]) -> tuple[Union, ...]:
    """The terms that hold the words; a single one may also be an id or a commit, or begin it."""
    if len(words) == 1:
        return (_one_word(words[0]),) if isinstance(words[0][0], str) else ()
    whole = sorted({text for word in words if (text := literal(word))}, key=len)
    if not whole:
        return ()
    *others, longest = whole
    return ((WordProbe(longest, longest + "\0", tuple(others)),),)


def _in_postings(words: tuple[Pattern, ...]) -> bool:
    """Whether only values whose words are indexed can contain the words.

    Flags, kinds of deployment, numbers and instants are sought too but are not among those.
    """
    whole = [text for word in words if (text := literal(word))]
    return any(not _NOT_POSTED.fullmatch(text) for text in whole)


def _one_word(word: Pattern) -> Union:
    start = str(word[0])
    after = _after(start) if literal(word) is None else start + "\0"
    return (
        WordProbe(start, after),
        TermRangeProbe(f"commit_sha:{start}", f"commit_sha:{after}"),
        RowProbe("e.id >= ? AND e.id < ?", (start, after)),
    )
