"""SQLite's words in statements, and how patterns are bound."""

from functools import lru_cache
from typing import LiteralString

import msgspec

from theodora.query.patterns import Pattern, Wild
from theodora.storage.engine.dialect import Dialect


def encode_glob(pattern: Pattern) -> str:
    """The pattern in the form of SQLite's GLOB, in which brackets make a character plain."""
    return "".join(
        token.value if isinstance(token, Wild) else _plain_in_glob(token) for token in pattern
    )


def encode_words(sought: tuple[Pattern, ...]) -> str:
    """Words with wildcards as text: JSON in which each wildcard is an array of its own."""
    return msgspec.json.encode(
        [[[token.value] if isinstance(token, Wild) else token for token in word] for word in sought]
    ).decode()


@lru_cache(maxsize=256)
def decode_words(text: str) -> tuple[Pattern, ...]:
    return tuple(
        tuple(token if isinstance(token, str) else Wild(token[0]) for token in word)
        for word in msgspec.json.decode(text)
    )


def _plain_in_glob(text: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


def walk_index(index: LiteralString) -> LiteralString:
    return f"INDEXED BY {index}"


def join_in_order(table: LiteralString, name: LiteralString, on: LiteralString) -> LiteralString:
    # SQLite never reorders the tables of a CROSS JOIN.
    return f"CROSS JOIN {table} {name} ON {on}"


SQLITE = Dialect(
    glob="GLOB",
    walk_index=walk_index,
    join_in_order=join_in_order,
    encode_pattern=encode_glob,
    encode_words=encode_words,
    integers="SELECT value FROM json_each(?)",
    merges_lazily=True,
    # SQLite locks the file, not a table.
    lock_if_free="",
)
