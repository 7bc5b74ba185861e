"""PostgreSQL's words in statements, and how patterns are bound."""

import re
from typing import LiteralString

from theodora.query.patterns import Pattern, Wild
from theodora.storage.engine.dialect import Dialect

_SPECIAL_IN_LIKE = re.compile(r"[\\%_]")
_LIKE = {Wild.RUN: "%", Wild.ONE: "_"}
_EXPRESSION = {Wild.RUN: r"[^ \n]*", Wild.ONE: r"[^ \n]"}


def encode_like(pattern: Pattern) -> str:
    """The pattern in the form of LIKE."""
    return "".join(
        _LIKE[token] if isinstance(token, Wild) else _SPECIAL_IN_LIKE.sub(r"\\\g<0>", token)
        for token in pattern
    )


def encode_words(sought: tuple[Pattern, ...]) -> str:
    """Words with wildcards as a regular expression over words with a space on either side."""
    return f" {' '.join(_expression(word) for word in sought)} "


def _expression(word: Pattern) -> str:
    # Words have only letters, digits and `_`, which are not special there.
    return "".join(_EXPRESSION[token] if isinstance(token, Wild) else token for token in word)


def walk_index(_: LiteralString) -> LiteralString:
    # PostgreSQL takes no hints; its statistics lead it to the index.
    return ""


def join_in_order(table: LiteralString, name: LiteralString, on: LiteralString) -> LiteralString:
    # A LATERAL subquery is run for each row before it; OFFSET 0 keeps the planner from
    # turning it into a plain join, whose order it would choose.
    return f"CROSS JOIN LATERAL (SELECT * FROM {table} {name} WHERE {on} OFFSET 0) {name}"


POSTGRESQL = Dialect(
    glob="LIKE",
    walk_index=walk_index,
    join_in_order=join_in_order,
    encode_pattern=encode_like,
    encode_words=encode_words,
    integers="SELECT CAST(value AS BIGINT) AS value FROM json_array_elements_text(CAST(? AS JSON))",
    merges_lazily=False,
    lock_if_free="FOR UPDATE SKIP LOCKED",
)
