"""Path globs, which select the changes of a shared repository that belong to a service."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol, cast

import re2

from theodora.errors import Invalid, Problem

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")

_TRANSLATED = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

_MEMORY_BYTES = 8 * 2**20
MAX_CHARACTERS = 4_096
"""As many as an operating system takes in a path; of a longer text only these are compared."""

_MAX_INSTRUCTIONS = 20_000
"""Of all globs of a service: time grows with this number times the length of a path."""


class CompiledGlobs(Protocol):
    """Matches complete texts, in linear time."""

    programsize: int

    def fullmatch(self, text: str) -> object | None: ...


class PathFilter:
    """Globs over complete paths; one that starts with `!` excludes.

    `*` and `?` stay within a path segment, `**` crosses segments, and `**/` also matches
    nothing: `a/**/b` matches `a/b`. Globs that only exclude leave everything else in. Time is
    linear in the path. Raises `Invalid` if the globs are too long together.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        given = tuple(globs)
        excluded = [glob[1:] for glob in given if glob.startswith("!")]
        included = [glob for glob in given if not glob.startswith("!")]
        self._included = _any_of(tuple(included or ["**"]))
        self._excluded = _any_of(tuple(excluded)) if excluded else None

    def matches(self, paths: Iterable[str]) -> bool:
        """Whether at least one of `paths` is included and not excluded."""
        return any(self._matches(path[:MAX_CHARACTERS]) for path in paths)

    def _matches(self, path: str) -> bool:
        if not self._included.fullmatch(path):
            return False
        return self._excluded is None or not self._excluded.fullmatch(path)


def glob_problem(glob: str) -> str | None:
    """Why a glob can match no path, and what to write instead; None for one that can."""
    plain = glob.removeprefix("!")
    if "\\" in plain:
        slashed = glob.replace("\\", "/")
        return f'can match no path, as folders are separated by /: write "{slashed}"'
    segments = [segment for segment in plain.split("/") if segment not in {"", "."}]
    if ".." in segments:
        return "can match no path: paths start at the root of the repository, without .."
    repaired = "/".join(segments)
    if plain.endswith(("/", "/.")) and repaired:
        repaired += "/**"
    if repaired == plain:
        return None
    instead = "!" * glob.startswith("!") + (repaired or "**")
    return f'can match no path, as these have no / at an end and no . alone: write "{instead}"'


def _any_of(globs: tuple[str, ...]) -> CompiledGlobs:
    return compile_globs(globs, _expression, "path_globs")


@lru_cache(maxsize=64)
def compile_globs(
    globs: tuple[str, ...],
    translate: Callable[[str], str],
    member: str,
    *,
    is_case_sensitive: bool = True,
) -> CompiledGlobs:
    """Any of the globs, each translated to a regular expression.

    Raises `Invalid`, about this member of settings, if they are too many or cannot be encoded.
    """
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    options.dot_nl = True
    options.case_sensitive = is_case_sensitive
    options.never_capture = True
    try:
        distinct = dict.fromkeys(map(translate, globs))
        compiled = cast("CompiledGlobs", re2.compile("|".join(distinct), options))
    except (re2.error, UnicodeEncodeError):
        raise _too_many(member) from None
    if compiled.programsize > _MAX_INSTRUCTIONS:
        raise _too_many(member)
    return compiled


def _too_many(member: str) -> Invalid:
    return Invalid(Problem("are too many and too long altogether", (member,)))


def _expression(glob: str) -> str:
    return "".join(
        _TRANSLATED.get(token) or cast("str", re2.escape(token)) for token in _TOKEN.findall(glob)
    )
