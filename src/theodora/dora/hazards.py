"""Regular expressions that could take for ever on a text made for it."""

# The only parser of Python's regular expressions is the one it compiles them with.
from re import _constants as codes  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
from re import _parser as parser  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
from typing import Any

MAX_PATTERN_CHARACTERS = 500

_MANY = 20
"""A repeat up to more times than this is taken for one without an end."""
_MOST_REPEATS = 4
"""Time may grow with the length of the text to this power."""

NESTED = "must not repeat what repeats or has alternatives: it could take for ever"
TOO_MANY = f"must have at most {_MOST_REPEATS} repeats without an end"
TOO_LONG = f"must be at most {MAX_PATTERN_CHARACTERS} characters"


def hazard(pattern: str) -> str | None:
    """What makes a valid pattern too costly to be used; None for a harmless one.

    A repeat within a repeat, `(a+)+`, takes time that doubles with each character; so do
    alternatives within one, `(a|a)*`. Repeats beside each other only multiply.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return TOO_LONG
    parsed = parser.parse(pattern)
    if _is_nested(parsed, inside=False):
        return NESTED
    return TOO_MANY if _repeats(parsed) > _MOST_REPEATS else None


def _is_nested(part: Any, *, inside: bool) -> bool:
    """Whether `part` holds a long repeat that holds another, or alternatives."""
    for code, argument in part:
        is_long = _is_long_repeat(code, argument)
        if inside and (is_long or code is codes.BRANCH):
            return True
        if any(_is_nested(each, inside=inside or is_long) for each in _parts(code, argument)):
            return True
    return False


def _repeats(part: Any) -> int:
    return sum(
        _is_long_repeat(code, argument) + sum(map(_repeats, _parts(code, argument)))
        for code, argument in part
    )


def _is_long_repeat(code: Any, argument: Any) -> bool:
    return code in {codes.MAX_REPEAT, codes.MIN_REPEAT} and argument[1] > _MANY


def _parts(code: Any, argument: Any) -> list[Any]:
    """The patterns that an item of a parsed pattern holds."""
    if code is codes.BRANCH:
        return list(argument[1])
    if isinstance(argument, tuple | list):
        return [each for each in argument if isinstance(each, parser.SubPattern)]
    return [argument] if isinstance(argument, parser.SubPattern) else []
