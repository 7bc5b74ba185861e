"""Trigrams that events must have to match a part of a word."""

from collections.abc import Iterable
from functools import lru_cache

from theodora.query.fields import Tag, Target, Type
from theodora.query.patterns import Pattern
from theodora.query.words import spaced_parts, spaced_pattern
from theodora.storage.events.segments import Alternatives
from theodora.storage.events.trigrams import codes_of, rarest
from theodora.storage.search.where import can_have

_MOST = 5
"""Trigrams that are looked up; hardly an event has so many of another text."""


def trigrams_of_value(target: Target, pattern: Pattern) -> Alternatives:
    """Those that an event must have if a value of the target fits; none where that is unknown."""
    if isinstance(target, Tag) or target.in_free_text:
        return _trigrams(spaced_parts(pattern), (True,))
    return _trigrams(spaced_parts(pattern), (False,)) if target.type is Type.TEXT else ()


def trigrams_of_words(words: tuple[Pattern, ...], *, everywhere: bool) -> Alternatives:
    """The same for words that follow each other in any value."""
    if everywhere and any(can_have(type_, words) for type_ in Type if type_ is not Type.TEXT):
        return ()
    parts = [part for part in spaced_pattern(words) if isinstance(part, str)]
    return _trigrams(parts, (True, False) if everywhere else (True,))


def _trigrams(parts: Iterable[str], which: Iterable[bool]) -> Alternatives:
    found = tuple(_rarest(tuple(parts), is_searched=is_searched) for is_searched in which)
    return found if all(found) else ()


@lru_cache(maxsize=512)
def _rarest(parts: tuple[str, ...], *, is_searched: bool) -> tuple[int, ...]:
    codes = (codes_of(part, is_searched=is_searched).tolist() for part in parts if len(part) > 2)
    return rarest((code for each in codes for code in each), _MOST)
