"""SQL functions for what SQLite lacks; each calls the matcher's own code."""

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import apsw

from theodora.events import Failure, format_rfc3339
from theodora.query.ast import Bound, TextRange
from theodora.query.fields import Tag
from theodora.query.matches import matches
from theodora.query.operands import parse_number
from theodora.query.words import stand_among, words
from theodora.storage.engine.cursor import Pace
from theodora.storage.engine.sqlite.dialect import decode_words

_SPELL_SECONDS = 0.001
_BREAK_SECONDS = 0.0005


class Turns:
    """Turns of slow reads that compute in Python: one at a time, with a break in each millisecond.

    Python lets only one of them compute anyway, and all of them compete with the event loop for the
    interpreter, which a thread keeps for 5 ms. Between two calls it is free for less time than the
    loop takes to wake up, so without breaks the loop would wait that long each time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._rest = rest
        self._lock = threading.Lock()
        self._break_at_sec = 0.0

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._clock() >= self._break_at_sec:
            # Others that wait for their turn take the break too.
            self._rest(_BREAK_SECONDS)
            self._break_at_sec = self._clock() + _SPELL_SECONDS

    def __exit__(self, *_: object) -> None:
        self._lock.release()


TURNS = Turns()


def register_functions(connection: apsw.Connection, pace: Pace) -> None:
    """Makes the functions known to statements of this connection.

    Each call asks `pace`: a thousand of them are as few steps of SQLite's machine as those between
    two looks at the clock.
    """

    def paced(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            with pace():
                return function(*values)

        return call

    functions: dict[str, Callable[..., Any]] = {
        "rfc3339": _rfc3339,
        "spaced_words": _spaced_words,
        "words_stand_in": _words_stand_in,
        "tag_lies_between": _tag_lies_between,
    }
    for name, function in functions.items():
        connection.create_scalar_function(name, paced(function), deterministic=True)


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
