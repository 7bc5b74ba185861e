"""The printer of query trees.

`parse(to_text(query)) == query` for every tree that `parse` makes, unless the text is longer
than `parse` reads: names are written in full.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import assert_never

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
from theodora.query.fields import Field, Target
from theodora.query.parser import RESERVED
from theodora.query.patterns import Pattern, Wild, literal
from theodora.query.scanner import SIGNS, SPECIAL

_PLAIN = re.compile(r"(?!(?:AND|OR|NOT|TO)\b)[A-Za-z0-9_][\w.-]*")


def to_text(query: Query) -> str:
    """The one text for `query`, with no more brackets than it needs."""
    match query:
        case Everything():
            return "*"
        case Or(parts):
            return " OR ".join(_alternatives(parts))
        case And(parts):
            return " ".join(_unless(Or, part) for part in parts)
        case Production():
            return "is:production"
        case Not(Exists(target)):
            return f"_missing_:{_name(target)}"
        case Not(part):
            return "-" + _unless((And, Or), part)
        case _:
            return _leaf(query)


def _alternatives(parts: tuple[Query, ...]) -> Iterator[str]:
    """Groups neighbours with values of one target: `env:(live OR production)`."""
    for target, those in groupby(parts, key=_named_target):
        alike = list(those)
        if target is None or len(alike) == 1:
            yield from map(to_text, alike)
        else:
            values = " OR ".join(_leaf_text(leaf) for leaf in alike if isinstance(leaf, Equals))
            yield f"{_name(target)}:({values})"


def _named_target(query: Query) -> Target | None:
    """The target whose value is a plain name, which nothing around it can turn to an operator."""
    if isinstance(query, Equals) and _PLAIN.fullmatch(_leaf_text(query)):
        return query.target
    return None


def _unless(loose: type[Query] | tuple[type[Query], ...], query: Query) -> str:
    """The text for `query`, in brackets where precedence requires them."""
    text = to_text(query)
    return f"({text})" if isinstance(query, loose) and not _is_one(query) else text


def _is_one(query: Query) -> bool:
    """Whether `query` is printed as one term that names several values.

    Without printing its parts: each level of nesting would double the time.
    """
    if not isinstance(query, Or):
        return False
    first, *others = map(_named_target, query.parts)
    return first is not None and all(target == first for target in others)


def _leaf(leaf: Leaf) -> str:
    if isinstance(leaf, Text):
        return ("*:" if leaf.everywhere else "") + _words(leaf.words)
    return f"{_name(leaf.target)}:{_leaf_text(leaf)}"


def _leaf_text(leaf: Exists | Equals | Wildcard | NumberRange | TextRange) -> str:
    match leaf:
        case Exists():
            return "*"
        case Equals(value=value):
            return _value(value if isinstance(value, str) else str(value).lower())
        case Wildcard(pattern=pattern):
            return _pattern(pattern)
        case NumberRange():
            return _number_range(leaf)
        case TextRange():
            return _text_range(leaf)
        case _:
            assert_never(leaf)


def _name(target: Target) -> str:
    if isinstance(target, Field):
        return target.name
    if target.key in RESERVED:
        return "\\" + target.key
    return _guarded(_escaped(target.key), (*SIGNS, "@", "&&", "||"))


def _value(text: str) -> str:
    return text if _is_bare(text, "-", SPECIAL) else _quoted(text)


def _pattern(pattern: Pattern) -> str:
    pieces = (piece.value if isinstance(piece, Wild) else _escaped(piece) for piece in pattern)
    return _guarded("".join(pieces), ("-",))


def _number_range(leaf: NumberRange) -> str:
    low = None if leaf.low is None else leaf.target.text_form(leaf.low)
    high = None if leaf.high is None else leaf.target.text_form(leaf.high)
    if low is None:
        return f"<={high}"
    if high is None:
        return f">={low}"
    return _value(low) if low == high else f"[{low} TO {high}]"


def _text_range(leaf: TextRange) -> str:
    low, high = leaf.low, leaf.high
    if low is None or high is None:
        return (f">{_compared(low)}" if low else "") + (f"<{_compared(high)}" if high else "")
    opener, closer = "[" if low.inclusive else "{", "]" if high.inclusive else "}"
    return f"{opener}{_operand(low.text)} TO {_operand(high.text)}{closer}"


def _words(words: tuple[Pattern, ...]) -> str:
    """Words hold nothing to escape; any character that no word holds may join them."""
    if len(words) > 1 and all(literal(word) is not None for word in words):
        return '"' + " ".join(map(_pattern, words)) + '"'
    return "-".join(map(_pattern, words))


def _compared(bound: Bound) -> str:
    return ("=" if bound.inclusive else "") + _operand(bound.text)


def _operand(text: str) -> str:
    """A `=` in front would become part of the comparison."""
    return text if _is_bare(text, "=", SPECIAL - {":"}) else _quoted(text)


def _is_bare(text: str, not_first: str, not_at_all: frozenset[str]) -> bool:
    return text != "" and text[0] not in not_first and not_at_all.isdisjoint(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    return "".join("\\" + character if character in SPECIAL else character for character in text)


def _guarded(text: str, starts: tuple[str, ...]) -> str:
    """`text`, with its first character escaped if it has a special meaning there."""
    return "\\" + text if text.startswith(starts) else text
