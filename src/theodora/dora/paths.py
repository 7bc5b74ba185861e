"""Path globs: which changes of a shared repository belong to a service."""

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")

_TRANSLATED = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class PathFilter:
    """Globs over whole paths; one that starts with `!` excludes.

    `*` and `?` stay within a path segment, `**` crosses segments, and `**/` also stands for
    nothing: `a/**/b` matches `a/b`. Globs that only exclude leave everything else in.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        given = tuple(globs)
        excluded = [glob[1:] for glob in given if glob.startswith("!")]
        included = [glob for glob in given if not glob.startswith("!")]
        self._included = _any_of(included or ["**"])
        self._excluded = _any_of(excluded)

    def matches(self, paths: Iterable[str]) -> bool:
        """Whether at least one of `paths` is included and not excluded."""
        return any(
            self._included.fullmatch(path) and not self._excluded.fullmatch(path) for path in paths
        )


def _any_of(globs: list[str]) -> re.Pattern[str]:
    never = "(?!)"
    return re.compile("|".join(map(_expression, globs)) or never, re.DOTALL)


def _expression(glob: str) -> str:
    return "".join(_TRANSLATED.get(token) or re.escape(token) for token in _TOKEN.findall(glob))
