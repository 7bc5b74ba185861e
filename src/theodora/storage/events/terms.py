"""Index terms of events: `service:web`, or `@language:java` for a tag."""

from decimal import Decimal
from functools import lru_cache
from math import floor
from typing import Any, NamedTuple

from theodora.events import Deployment, Failure
from theodora.events.values import INT64
from theodora.query.fields import FIELDS, Type
from theodora.query.operands import parse_number
from theodora.query.words import words
from theodora.storage.events.tables import E, EventTable

_OTHER_TEXTS = [field for field in FIELDS if field.type is Type.TEXT and not field.in_free_text]
_OTHER_OF_DEPLOYMENTS = [each.deployment.read for each in _OTHER_TEXTS if each.deployment]
_OTHER_OF_FAILURES = [each.failure.read for each in _OTHER_TEXTS if each.failure]
"""What reads these texts, one of each event at most: taken from the fields here, as it is done for
each event that is written."""


class Term(NamedTuple):
    """A value that an event is posted under: `field` is `@key` for a tag's key."""

    field: str
    value: str

    def __str__(self) -> str:
        return (
            posted_tag(self.field[1:], self.value) if self.is_tag else f"{self.field}:{self.value}"
        )

    @property
    def is_tag(self) -> bool:
        return self.field[0] == "@"


TAG_PREFIXES = ("@", "#")
"""What terms of tags begin with: `#` if the value is a number, so that ranges of numbers need
not look through texts, nor ranges of texts through numbers."""


def posted_tag(key: str, value: str) -> str:
    """The term of a tag."""
    mark = "@" if _number(value) is None else "#"
    return f"{mark}{key}:{value}"


_KEPT = 4_096
"""Texts whose words and numbers are cached: those of services, teams and most tags come again and
again, and so many are enough for them, while each event brings new ids and commits."""
_number = lru_cache(maxsize=_KEPT)(parse_number)


class Posted(NamedTuple):
    """What an event is found by in the index."""

    terms: list[str]
    """Each once."""
    numbers: list[tuple[str, int]]
    """The tags whose values are numbers, each once: `@key`, and the number rounded down."""


def posted(table: EventTable[E], event: E) -> Posted:
    """The terms of an event, and the numbers of its tags."""
    tags = [_tag(tag) for tag in event.custom_tags]
    found = [
        f"{field}:{value}"
        for field, values in table.posted
        for value in values(event)
        if value is not None
    ]
    found += [tag.posted for tag in tags]
    numbers = [(tag.term.field, tag.number) for tag in tags if tag.number is not None]
    return Posted(list(dict.fromkeys(found)), list(dict.fromkeys(numbers)))


def elements(table: EventTable[E], event: E) -> list[Term]:
    """The terms of an event that are elements of an array, each once."""
    found = [
        Term(field, value)
        for field, values in table.array_values
        for value in values(event)
        if value
    ]
    found += [_tag(tag).term for tag in event.custom_tags]
    return list(dict.fromkeys(found))


def searched_words(table: EventTable[E], event: E) -> str:
    """The text for free text search: a line for each value, with a space around each word."""
    values = (*table.searched(event), *event.custom_tags)
    return "".join(dict.fromkeys(_line(value) for value in values if value is not None))


def other_words(event: Deployment | Failure) -> str:
    """The same of the texts that only `*:` is sought in."""
    return _lines(other_texts(event))


def other_texts(event: Deployment | Failure) -> tuple[Any, ...]:
    """The texts that only `*:` is sought in; None for each that the event does not have."""
    if isinstance(event, Deployment):
        return tuple([read(event) for read in _OTHER_OF_DEPLOYMENTS])
    return tuple([read(event) for read in _OTHER_OF_FAILURES])


@lru_cache(maxsize=_KEPT)
def _lines(values: tuple[str | None, ...]) -> str:
    return "".join(dict.fromkeys(_line(value) for value in values if value is not None))


@lru_cache(maxsize=_KEPT)
def _line(value: str) -> str:
    return f" {' '.join(words(value))} \n"


class _Tag(NamedTuple):
    """A tag as it is stored and posted."""

    term: Term
    posted: str
    number: int | None
    """Its value rounded down, if that is a number."""


@lru_cache(maxsize=_KEPT)
def _tag(tag: str) -> _Tag:
    key, _, value = tag.partition(":")
    term, number = Term("@" + key, value), _number(value)
    return _Tag(term, str(term), None if number is None else _whole(number))


def number_bounds(low: Decimal | None, high: Decimal | None) -> tuple[int, int]:
    """The integers between which numbers from `low` to `high` are stored; None is open."""
    return (
        INT64[0] if low is None else _whole(low),
        INT64[1] if high is None else _whole(high),
    )


def _whole(value: Decimal) -> int:
    """The number rounded down, within int64; keeps the order of numbers."""
    return min(max(floor(value), INT64[0]), INT64[1])
