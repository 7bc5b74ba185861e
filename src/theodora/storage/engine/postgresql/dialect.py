"""How patterns and words are bound in PostgreSQL."""

import re

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
    # Words hold letters, digits and `_` alone, none of which mean anything there.
    return "".join(_EXPRESSION[token] if isinstance(token, Wild) else token for token in word)


POSTGRESQL = Dialect(
    encode_pattern=encode_like,
    encode_words=encode_words,
    merges_lazily=False,
    lock_if_free="FOR UPDATE SKIP LOCKED",
)
