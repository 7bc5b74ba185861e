"""SQL functions for what SQLite lacks; each calls the matcher's own code."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import apsw

from theodora.events import Failure, format_rfc3339
from theodora.query.ast import Bound, TextRange
from theodora.query.fields import Tag
from theodora.query.matches import matches
from theodora.query.operands import parse_number
from theodora.query.words import stand_among, words
from theodora.storage.engine.sqlite.dialect import decode_words

Pace = Callable[[], AbstractContextManager[object]]
"""The context of a call that takes long; raises where the statement has to end."""

TURNS = threading.Lock()
"""Held by a slow read while it computes in Python.

Python lets only one of them compute anyway. Without the lock, all of them compete with the event
loop for the interpreter, which each keeps for 5 ms.
"""


def register_functions(connection: apsw.Connection, pace: Pace) -> None:
    """Makes the functions known to statements of this connection.

    `pace` is asked by those that take long: a thousand calls of them are as few steps of SQLite's
    machine as those between two looks at the clock.
    """

    def words_stand_in(sought: str, spaced: str) -> bool:
        with pace():
            return _words_stand_in(sought, spaced)

    def tag_lies_between(value: str, low: str | None, *bounds: Any) -> bool:
        with pace():
            return _tag_lies_between(value, low, *bounds)

    functions: dict[str, Callable[..., Any]] = {
        "rfc3339": _rfc3339,
        "spaced_words": _spaced_words,
        "words_stand_in": words_stand_in,
        "tag_lies_between": tag_lies_between,
    }
    for name, function in functions.items():
        connection.create_scalar_function(name, function, deterministic=True)


def _spaced_words(value: str | None) -> str | None:
    """The words of a value as a line in which each has a space on either side."""
    return None if value is None else f" {' '.join(words(value))} \n"


def _rfc3339(instant_ns: int | None) -> str | None:
    return None if instant_ns is None else format_rfc3339(instant_ns)


def _words_stand_in(sought: str, spaced: str) -> bool:
    decoded = decode_words(sought)
    return any(stand_among(decoded, line.split()) for line in spaced.split("\n"))


def _tag_lies_between(
    value: str, low: str | None, low_inclusive: int, high: str | None, high_inclusive: int
) -> bool:
    """Asks the matcher about an event that has nothing but this tag."""
    between = _between(low, low_inclusive, high, high_inclusive)
    return matches(between, Failure(started_at_ns=0, custom_tags=(f"k:{value}",)))


@lru_cache(maxsize=256)
def _between(
    low: str | None, low_inclusive: int, high: str | None, high_inclusive: int
) -> TextRange:
    return TextRange(Tag("k"), _bound(low, low_inclusive), _bound(high, high_inclusive))


def _bound(text: str | None, inclusive: int) -> Bound | None:
    return None if text is None else Bound(text, parse_number(text), bool(inclusive))
