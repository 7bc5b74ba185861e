"""The SQL words that differ between databases.

Statements are written once, in the SQL that both understand; where the two differ, a statement
takes its words, or the value that it binds, from the dialect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

from theodora.query.patterns import Pattern


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """The words of statements that differ, how patterns are bound, and what the planner does.

    There is one value for each database, so identity is equality.
    """

    glob: LiteralString
    """The operator that compares a text with an encoded pattern, case-sensitively."""
    walk_index: Callable[[LiteralString], LiteralString]
    """Follows a table in FROM: reads it by this index, where the database takes such hints."""
    join_in_order: Callable[[LiteralString, LiteralString, LiteralString], LiteralString]
    """Joins a table, under a name, on a condition: row by row, after the tables before it."""
    encode_pattern: Callable[[Pattern], str]
    """A pattern as the right-hand side of `glob`."""
    encode_words: Callable[[tuple[Pattern, ...]], str]
    """Words with wildcards, as the first argument of `words_stand_in`."""
    integers: LiteralString
    """A statement for the integers (`value`) of a JSON array, which it binds."""
    merges_lazily: bool
    """Whether a UNION of arms in order reads no more of each than the limit asks for."""
    lock_if_free: LiteralString
    """Ends a SELECT that locks its rows and passes over those that another process has locked."""
