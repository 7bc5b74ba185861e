"""What statements have to say otherwise for each kind of database.

Statements are written once, in the SQL that both understand; SQLite's few words of its own are
translated when they reach PostgreSQL (`postgresql/translation.py`). A dialect says what is
bound where the two compare texts in ways of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

from theodora.query.patterns import Pattern


@dataclass(frozen=True, slots=True)
class Dialect:
    """How patterns are bound, and what the planner can be left to."""

    encode_pattern: Callable[[Pattern], str]
    """A pattern as the right-hand side of GLOB, or of what stands in its place."""
    encode_words: Callable[[tuple[Pattern, ...]], str]
    """Words with wildcards, as the first argument of `words_stand_in`."""
    merges_lazily: bool
    """Whether a UNION of arms in order reads no more of each than the limit asks for."""
    lock_if_free: LiteralString
    """Ends a SELECT that locks its rows and passes over those that another process has locked."""
