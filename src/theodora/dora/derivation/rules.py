"""Rules that find, by pull requests, commits and version, what a deployment fixes."""

import re
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from theodora.dora.derivation.expressions import Expression, Unusable, can_match_without
from theodora.errors import Invalid, Problem

Field = Literal["pr_title", "pr_label", "pr_branch", "commit_subject", "commit_message", "version"]

FIELDS: tuple[str, ...] = get_args(Field)

_CAPTURED = "captured"
_VARIABLE_PATTERNS: dict[str, str] = {
    "pr_title": rf"(?P<{_CAPTURED}>.+)",
    "pr_number": rf"(?P<{_CAPTURED}>\d+)",
    "version": rf"(?P<{_CAPTURED}>.+)",
}
_VARIABLE = re.compile(rf"\$({'|'.join(_VARIABLE_PATTERNS)})\b")

_TRAILING_NUMBER = re.compile(r" \(#(\d+)\)\Z")
_MERGE_SUBJECT = re.compile(r"Merge pull request #(\d+) ")
_REVERTS = ('Revert "', "revert: ")


class LinkedRule(msgspec.Struct, frozen=True):
    """Finds the failed deployment by a variable of its pattern.

    The pattern is a regular expression with exactly one of `$pr_title`, `$pr_number` and
    `$version`, matched against the complete value of a field. The value of the variable is
    looked up in the deployments before (Datadog docs: change failure detection, custom rules).
    """

    id: str
    fields: tuple[Field, ...]
    pattern: str


class StaticRule(msgspec.Struct, frozen=True):
    """A case-insensitive regular expression: a match marks the previous deployment."""

    id: str
    fields: tuple[Field, ...]
    pattern: str


DEFAULT_LINKED_RULES = (
    LinkedRule("revert", ("pr_title", "commit_subject"), 'Revert "$pr_title"'),
    # Conventional commits, https://www.conventionalcommits.org.
    LinkedRule("conventional-revert", ("pr_title", "commit_subject"), "revert: $pr_title"),
)
DEFAULT_STATIC_RULES = (StaticRule("hotfix", ("pr_title", "pr_label", "pr_branch"), "hotfix"),)


class LinkedPattern:
    """A linked rule, ready to match."""

    def __init__(self, rule: LinkedRule) -> None:
        _refuse(rule, problems(rule))
        self.rule = rule
        (self.variable,) = _VARIABLE.findall(rule.pattern)
        self._expression = Expression(expression(rule))
        self._beginning = _literal_beginning(rule.pattern)

    def captures(self, value: str) -> tuple[str, ...]:
        """The value of the variable in `value`, with and without its trailing ` (#n)`."""
        trimmed = value.strip()
        # Most texts end here: what is without its number begins like what has it.
        if not trimmed.startswith(self._beginning):
            return ()
        forms = dict.fromkeys((trimmed, plain_title(trimmed)))
        captured = [
            found for form in forms if (found := self._expression.group_of(form, _CAPTURED))
        ]
        if self.variable == "pr_title":
            captured = map(plain_title, captured)
        return tuple(dict.fromkeys(captured))

    def is_relanding(self, value: str) -> bool:
        """Whether `value` is the title of a revert of a revert: it puts a change back."""
        wrappings = revert_wrappings(value)
        return self.variable == "pr_title" and wrappings > 0 and wrappings % 2 == 0


class StaticPattern:
    """A static rule, ready to search."""

    def __init__(self, rule: StaticRule) -> None:
        _refuse(rule, problems(rule))
        self.rule = rule
        self._expression = Expression(expression(rule), ignore_case=True)

    def found_in(self, value: str) -> bool:
        return self._expression.is_found_in(value.rstrip("\n"))


def problems(rule: LinkedRule | StaticRule) -> tuple[Problem, ...]:
    """Problems of `rule`: unknown fields, a wrong pattern, wrong variables."""
    return (*_field_problems(rule.fields), *_pattern_problems(rule))


def plain_title(title: str) -> str:
    """A title or subject as it is compared: trimmed, without a trailing ` (#n)`."""
    title = title.strip()
    return _TRAILING_NUMBER.sub("", title).rstrip() if title.endswith(")") else title


def subject_number(subject: str) -> str | None:
    """The pull request number in a subject: ` (#n)` at its end, or GitHub's merge subject."""
    found = _TRAILING_NUMBER.search(subject.rstrip()) or _MERGE_SUBJECT.match(subject)
    return found[1] if found else None


def revert_wrappings(title: str) -> int:
    """How many times `Revert "` or `revert: ` is repeated at the start of `title`."""
    title = title.strip()
    count = 0
    while wrapping := next(filter(title.startswith, _REVERTS), None):
        title = title.removeprefix(wrapping)
        count += 1
    return count


def _refuse(rule: LinkedRule | StaticRule, found: tuple[Problem, ...]) -> None:
    if found:
        raise Invalid(*(Problem(f'rule "{rule.id}": {each.detail}', each.path) for each in found))


def _field_problems(fields: tuple[str, ...]) -> Iterable[Problem]:
    if not fields:
        yield Problem("must name at least one field", ("fields",))
    for index, field in enumerate(fields):
        if field not in FIELDS:
            yield Problem(f'must be one of "{" ".join(FIELDS)}"', ("fields", index))


def _pattern_problems(rule: LinkedRule | StaticRule) -> Iterable[Problem]:
    if isinstance(rule, LinkedRule) and len(_VARIABLE.findall(rule.pattern)) != 1:
        names = " ".join(f"${name}" for name in _VARIABLE_PATTERNS)
        yield Problem(f'must have exactly one of "{names}"', ("pattern",))
        return
    try:
        Expression(expression(rule), ignore_case=isinstance(rule, StaticRule))
        detail = _why_not_linked(rule) if isinstance(rule, LinkedRule) else None
    except Unusable as unusable:
        detail = _explained(rule, unusable)
    if detail:
        yield Problem(detail, ("pattern",))


def _why_not_linked(rule: LinkedRule) -> str | None:
    """Why the variable may have no value in some match."""
    before, name, after = _VARIABLE.split(rule.pattern)
    if f"<{_CAPTURED}>" in rule.pattern:
        return f'must not have a group called "{_CAPTURED}"'
    if can_match_without(before, after):
        return (
            f"can match without ${name}: it must not be in an optional part, beside a | or "
            "in a class of characters"
        )
    return None


def _explained(rule: LinkedRule | StaticRule, unusable: Unusable) -> str:
    """The problem, with its position in the pattern as written."""
    if unusable.offset is None:
        return unusable.reason
    offset, variable = unusable.offset, _VARIABLE.search(rule.pattern)
    if isinstance(rule, LinkedRule) and variable and offset > variable.start():
        longer = len(_VARIABLE_PATTERNS[variable[1]]) - len(variable[0])
        offset = max(variable.start(), offset - longer)
    place = f"at character {offset + 1}"
    return f"is not a regular expression that can be used here: {place}, {unusable.reason}"


def _literal_beginning(pattern: str) -> str:
    """The text that whatever the pattern matches begins with, or a part of it."""
    literal = re.match(r"[^\\.^$*+?{}\[\]|()]*", pattern)
    assert literal
    is_repeated = pattern[literal.end() : literal.end() + 1] in {"*", "+", "?", "{"}
    # A pattern with a variable never has a | beside it, so what comes first always counts.
    return literal[0][:-1] if is_repeated else literal[0]


def expression(rule: LinkedRule | StaticRule) -> str:
    """The regular expression of the rule's pattern."""
    if isinstance(rule, StaticRule):
        return rule.pattern
    return _VARIABLE.sub(lambda name: _VARIABLE_PATTERNS[name[1]], rule.pattern)
