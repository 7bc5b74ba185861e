"""Completion of a query at the cursor: what may follow, and which characters it replaces.

An unfinished query is seldom valid, so this reads tokens instead of the grammar; at worst, a
suggestion is useless.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from theodora.query.fields import Kind, Target, bare
from theodora.query.parser import STATES, Unnamed
from theodora.query.pull_request_fields import resolver
from theodora.query.scanner import CURLY_QUOTES

_TOKEN = re.compile(
    r"""(?P<space> \s+)
      | (?P<quoted> "(?:[^"\\]|\\.)*")
      | (?P<quote> "(?:[^"\\]|\\.)*)
      | (?P<range> [\[{][^\]}]*[\]}])
      | (?P<bounds> [\[{][^\]}]*)
      | (?P<sign> (?<!:)[-+](?!\s) | [<>]=?)
      | (?P<open> \()
      | (?P<close> \))
      | (?P<name> (?:[^\s\\"()\[\]{}:<>]|\\.)+:)
      | (?P<word> (?:[^\s\\"()\[\]{}:<>]|\\.)+)
      | (?P<other> .)""",
    re.VERBOSE | re.DOTALL,
)
_REST_OF_WORD = re.compile(r'(?:[^\s\\"()\[\]{}:<>]|\\.)*', re.DOTALL)
_CURLY_QUOTE = re.compile(rf"(\\.)|[{''.join(sorted(CURLY_QUOTES))}]", re.DOTALL)
_OPERATORS = {"AND", "OR", "NOT", "&&", "||", "-", "+"}
_NO_FIELDS = {each.value for each in Unnamed}
_NAMES_FOLLOW = {Unnamed.EXISTING.value, Unnamed.MISSING.value}


@dataclass(frozen=True, slots=True)
class Completion:
    """The expected input at the cursor; a suggestion replaces `text[start:end]`."""

    start: int
    end: int
    typed: str = ""
    """What suggestions begin with: the replaced text up to the cursor, without quotes."""
    names: bool = False
    """A field's name, or a tag's key."""
    operators: tuple[str, ...] = ()
    """One of these."""
    values_of: Target | None = None
    """A value of this field."""
    states: tuple[str, ...] = ()
    """One of these, after `is:`."""


@dataclass(slots=True)
class _TokenState:
    """The state after the tokens read so far."""

    resolve: Callable[[str], Target]
    """What names mean."""
    name: str | None = None
    """The name whose value comes next."""
    groups: list[str | None] = field(default_factory=lambda: [None])
    """The field names before the open groups, outermost first."""
    after_clause: bool = False

    def step_over(self, kind: str | None, token: str) -> None:
        match kind:
            case "space" | "sign":
                return
            case "name":
                self.name = bare(token[:-1])
                return
            case "open":
                self.groups.append(self.name or self.groups[-1])
                self.after_clause = False
            case "close":
                self.groups = self.groups[:-1] or [None]
                self.after_clause = True
            case _:
                self.after_clause = self.name is not None or token not in _OPERATORS
        self.name = None

    def expected(self, start: int, end: int, typed: str) -> Completion:
        about = self.name or self.groups[-1]
        names_follow = about in _NAMES_FOLLOW
        is_value = about is not None and about not in _NO_FIELDS
        return Completion(
            start,
            end,
            typed,
            names=self.name is None or names_follow,
            operators=self._operators(),
            values_of=self.resolve(about) if about and is_value else None,
            states=tuple(STATES) if about == Unnamed.STATE.value else (),
        )

    def _operators(self) -> tuple[str, ...]:
        if self.name is not None:
            return ()
        return ("AND", "OR", "NOT") if self.after_clause else ("NOT",)


def complete(text: str, cursor: int, about: Kind = Kind.DEPLOYMENT) -> Completion:
    """The expected input in `text` at `cursor`, the number of characters before it.

    `about` is what is searched.
    """
    tokens = [(token.lastgroup, token[0]) for token in _TOKEN.finditer(text, 0, cursor)]
    kind, typed = tokens.pop() if tokens else ("space", "")
    place = _TokenState(resolver(about))
    for token_kind, token in tokens:
        place.step_over(token_kind, _without_curly_quotes(token))
    start = cursor - len(typed)
    match kind:
        case "bounds":
            return Completion(cursor, cursor)
        case "quote":
            return place.expected(start, cursor + text.startswith('"', cursor), typed[1:])
        case "word":
            rest = _REST_OF_WORD.match(text, cursor)
            end = rest.end() if rest else cursor
            return place.expected(start, end, _without_curly_quotes(typed))
        case _:
            place.step_over(kind, _without_curly_quotes(typed))
            return place.expected(cursor, cursor, "")


def _without_curly_quotes(token: str) -> str:
    """The text that the parser reads from a token that is not a phrase."""
    return _CURLY_QUOTE.sub(r"\1", token)
