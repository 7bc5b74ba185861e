"""Names of settings, in which `*` matches any characters, and the provider's names they fit."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from theodora.query import Pattern, Wild
from theodora.query.patterns import fits, pattern_of


def is_named(name: str | None, patterns: Collection[str]) -> bool:
    """Whether settings name it."""
    if name is None:
        return False
    return name in patterns or any(_fits(pattern, name) for pattern in patterns)


def value_named(table: Mapping[str, str], names: Iterable[str | None]) -> str | None:
    """The value of a table for the first of these names that it has, the most precise name first.

    A name as it is comes before patterns, and among those the first one.
    """
    known = [name for name in names if name]
    exact = (table[name] for name in known if name in table)
    fitting = (value for name in known for pattern, value in table.items() if _fits(pattern, name))
    return next(exact, None) or next(fitting, None)


def _fits(pattern: str, name: str) -> bool:
    return "*" in pattern and fits(_compiled(pattern), name)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Pattern:
    first, *rest = pattern.split("*")
    return pattern_of([first, *(token for piece in rest for token in (Wild.RUN, piece))])
