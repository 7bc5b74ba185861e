"""Regular expressions that match in linear time, compiled by RE2.

Python's `re` backtracks: a pattern can take for ever on a text made for it, and holds the
interpreter meanwhile. RE2 does neither. `\\w`, `\\d`, `\\s` and `\\b` mean ASCII in it, `\\p{L}`
any letter; letters are compared without case by Unicode's simple folding.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

import re2

MAX_PATTERN_CHARACTERS = 500
MAX_TEXT_CHARACTERS = 4_096
"""A longer text is searched only at its beginning, and `fullmatch` never matches it."""

MAX_REPEATS = 1_000
"""That RE2 allows, nested ones multiplied."""
_MAX_INSTRUCTIONS = 2_000
"""Of a compiled pattern: time grows with this number times the length of the text."""
_MEMORY_BYTES = 2**20
_NOTHING = r"[^\x00-\x{10FFFF}]"
"""A part that no text can match."""

TOO_LARGE = "is too large: use fewer or smaller {n,m} repetitions, or + and *"

_REASONS = (
    (r"\(\?<?[=!]", "look-around is not supported"),
    (r"\(\?>", "atomic groups are not supported"),
    (r"\(\?P|\\[1-9]", "references to groups are not supported"),
    (r"\(\?#", "comments are not supported"),
    (r"\(\?", "this kind of group is not supported"),
    (r"\\Z", r"the end of the text is written \z"),
    (r"\\$", "there is nothing after the backslash"),
    (r"\\", "this escape sequence is not supported"),
    (r"\{", "a repetition is limited to 1000 times, nested ones multiplied"),
    (r"[*+?]", "there is nothing to repeat, or it is repeated twice"),
    (r"\)", "there is no ( for this )"),
    (r"\(", "there is no ) for this ("),
    (r"\[\[?:", "there is no such class of characters"),
    (r"\[", "there is no ] for this ["),
    (r"", "this range of characters is not supported"),
)
"""Constructs that RE2 does not support, with an explanation."""


class Unusable(Exception):
    """A pattern that cannot be used, with the position of the error."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        """`offset` is that of the first wrong character, from 0."""
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class _Match(Protocol):
    def __getitem__(self, group: str) -> str | None: ...


class _Compiled(Protocol):
    """A pattern of RE2, whose package has no types."""

    programsize: int

    def search(self, text: str) -> _Match | None: ...
    def fullmatch(self, text: str) -> _Match | None: ...


class Expression:
    """A pattern that is ready to match."""

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        """Raises `Unusable` for a pattern that RE2 cannot express or that would take too long."""
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            raise Unusable(f"must be at most {MAX_PATTERN_CHARACTERS} characters")
        if _written_out(pattern) > _MAX_INSTRUCTIONS:
            # RE2 finds out as well, after holding the interpreter for a tenth of a second.
            raise Unusable(TOO_LARGE)
        self._compiled = _compile(pattern, ignore_case=ignore_case)
        if self._compiled.programsize > _MAX_INSTRUCTIONS:
            raise Unusable(TOO_LARGE)

    def is_found_in(self, text: str) -> bool:
        return self._compiled.search(text[:MAX_TEXT_CHARACTERS]) is not None

    def group_of(self, text: str, name: str) -> str | None:
        """The text of a group, if the pattern matches the complete text."""
        if len(text) > MAX_TEXT_CHARACTERS:
            return None
        match = self._compiled.fullmatch(text)
        return None if match is None else match[name]


def can_match_without(before: str, after: str) -> bool:
    """Whether a pattern can match although the part between `before` and `after` cannot.

    RE2 leaves out what cannot match when it compiles: of a pattern that needs the part, one
    instruction is left, which fails.
    """
    return _compile(before + _NOTHING + after).programsize > 1


@lru_cache(maxsize=256)
def _compile(pattern: str, *, ignore_case: bool = False) -> _Compiled:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return cast("_Compiled", re2.compile(pattern, options))
    except UnicodeEncodeError as error:
        raise Unusable("this character is not Unicode text", error.start) from None
    except re2.error as error:
        raise _unusable(pattern, error) from None


def _unusable(pattern: str, error: Exception) -> Unusable:
    """The error that RE2 reports; it names the wrong part but not its position."""
    what, part = _complaint(error)
    if what.startswith("pattern too large"):
        return Unusable(TOO_LARGE)
    offset = _offset(pattern, what, part)
    beginning = part if offset is None else pattern[offset:]
    return Unusable(next(say for form, say in _REASONS if re.match(form, beginning)), offset)


def _complaint(error: Exception) -> tuple[str, str]:
    what, _, part = error.args[0].decode(errors="replace").partition(": ")
    return what, part


def _offset(pattern: str, what: str, part: str) -> int | None:
    if what == "trailing \\":
        return len(pattern) - 1
    if what == "missing ]":
        return len(pattern) - len(part)
    if what in {"missing )", "unexpected )"}:
        return _unpaired(pattern)
    found = [
        at
        for at in _tokens(pattern)
        if pattern.startswith(part, at) and not pattern.startswith("(?P<", at)
    ]
    if len(found) > 1:
        # It is the first at which RE2 stops, reading from the left.
        found = [at for at in found if _stops(pattern[: at + len(part)], what)] or found
    offset = found[0] if found else pattern.find(part)
    return None if offset < 0 else offset


def _stops(beginning: str, what: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(beginning, options)
    except re2.error as error:
        return _complaint(error)[0] == what
    return False


def _unpaired(pattern: str) -> int | None:
    """The first ) without a (, else the last ( without a )."""
    opened: list[int] = []
    for at in _tokens(pattern):
        if pattern[at] == "(":
            opened.append(at)
        elif pattern[at] == ")":
            if not opened:
                return at
            opened.pop()
    return opened[-1] if opened else None


def _written_out(pattern: str) -> int:
    """About how many characters there would be without counted repetitions."""
    sizes, last = [0], 0
    for at in _tokens(pattern):
        if pattern[at] == "(":
            sizes.append(0)
        elif pattern[at] == ")" and len(sizes) > 1:
            last = sizes.pop() + 1
            sizes[-1] += last
        elif counted := _COUNTED.match(pattern, at):
            times = min(int(counted[2] or counted[1]), MAX_REPEATS)
            sizes[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
        else:
            last = 1
            sizes[-1] += last
    return sum(sizes)


def _tokens(pattern: str) -> Iterator[int]:
    """The position of each character outside escape sequences and classes."""
    return (token.start() for token in _TOKEN.finditer(pattern))


_COUNTED = re.compile(r"\{(\d{1,5})(?:,(\d{0,5}))?\}", re.ASCII)
_TOKEN = re.compile(r"\\Q.*?(?:\\E|$)|\\.?|\[\^?\]?(?:\\.|[^\]\\])*\]?|.", re.DOTALL)
