"""Globs over names, such as those of authors and labels."""

import re
from collections.abc import Iterable
from typing import cast

import re2

from theodora.dora.derivation.path_globs import MAX_CHARACTERS, compile_globs

_TOKEN = re.compile(r"[*?]|[^*?]+")

_TRANSLATED = {"*": ".*", "?": "."}


class NameFilter:
    """Globs over complete names, by default case-insensitive.

    `*` matches any characters and `?` one. All others are literal, so `*[bot]` matches
    `dependabot[bot]`. Time is linear in the name. Raises `Invalid` if the globs are too long
    together; `member` is the setting that they are from.
    """

    def __init__(
        self, globs: Iterable[str], member: str, *, is_case_sensitive: bool = False
    ) -> None:
        self._compiled = compile_globs(
            tuple(globs), _expression, member, is_case_sensitive=is_case_sensitive
        )

    def matches(self, names: Iterable[str]) -> bool:
        """Whether one of `names` matches; an empty one, which is not known, never does."""
        return any(name and self._compiled.fullmatch(name[:MAX_CHARACTERS]) for name in names)


def _expression(glob: str) -> str:
    return "".join(
        _TRANSLATED.get(token) or cast("str", re2.escape(token)) for token in _TOKEN.findall(glob)
    )
