"""An SQL condition with its bound values."""

from typing import Any, Final, LiteralString, NamedTuple


class Condition(NamedTuple):
    """SQL with placeholders, and what is bound to them, in order."""

    sql: LiteralString
    values: tuple[Any, ...] = ()


TRUE: Final = Condition("TRUE")
FALSE: Final = Condition("FALSE")
