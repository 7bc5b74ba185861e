"""Wildcard patterns with `*` and `?`."""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from itertools import groupby
from typing import TypeAlias


class Wild(Enum):
    """A wildcard; its value is how it is written."""

    RUN = "*"
    """Any run of characters, also none, also over line breaks."""
    ONE = "?"
    """Exactly one character."""


Pattern: TypeAlias = tuple[str | Wild, ...]
"""Literal pieces and wildcards; no two literals and no two runs are adjacent."""


def pattern_of(tokens: Iterable[str | Wild]) -> Pattern:
    """`tokens` as a pattern: literals that touch are joined, runs that touch are one."""
    pieces: list[str | Wild] = []
    for kind, group in groupby(tokens, key=_kind):
        if kind is Wild.RUN:
            pieces.append(Wild.RUN)
        elif kind is Wild.ONE:
            pieces.extend(group)
        else:
            pieces.append("".join(token for token in group if isinstance(token, str)))
    return tuple(pieces)


def literal(pattern: Pattern) -> str | None:
    """The one text that `pattern` fits, or None if it holds a wildcard."""
    match pattern:
        case ():
            return ""
        case (str(text),):
            return text
        case _:
            return None


def fits(pattern: Pattern, text: str) -> bool:
    """Whether `pattern` matches all of `text`."""
    return fitting(pattern)(text) is not None


def fitting(pattern: Pattern) -> Callable[[str], object]:
    """The same for many texts, as a test that finds something in those that it matches."""
    return _expression(pattern).fullmatch


def _kind(token: str | Wild) -> Wild | None:
    return None if isinstance(token, str) else token


@lru_cache(maxsize=1024)
def _expression(pattern: Pattern) -> re.Pattern[str]:
    """The pattern as a regular expression that never goes back on a run.

    A piece between two runs is taken where it fits first and kept there (an atomic group):
    no later place can help what follows. So time grows with pattern times text at most.
    """
    first, *rest = _between_runs(pattern)
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    kept = "".join(f"(?>.*?{piece})" for piece in middle)
    return re.compile(f"{first}{kept}.*{last}", re.DOTALL)


def _between_runs(pattern: Pattern) -> list[str]:
    pieces = [""]
    for token in pattern:
        if token is Wild.RUN:
            pieces.append("")
        else:
            pieces[-1] += "." if token is Wild.ONE else re.escape(token)
    return pieces
