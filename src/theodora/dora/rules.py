"""Rules that tell from its pull requests, commits and version what a deployment remedies."""

import re
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

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
_REVERT = 'Revert "'


class LinkedRule(msgspec.Struct, frozen=True):
    """Finds the failed deployment by a variable of its pattern.

    The pattern is a regular expression with exactly one of `$pr_title`, `$pr_number` and
    `$version`, matched against the whole value of a field. What the variable stands for is
    looked up in the deployments before (Datadog docs: change failure detection, custom rules).
    """

    id: str
    fields: tuple[Field, ...]
    pattern: str


class StaticRule(msgspec.Struct, frozen=True):
    """A regular expression, searched without regard to case: a hit marks the deployment before."""

    id: str
    fields: tuple[Field, ...]
    pattern: str


DEFAULT_LINKED_RULES = (LinkedRule("revert", ("pr_title", "commit_subject"), 'Revert "$pr_title"'),)
DEFAULT_STATIC_RULES = (StaticRule("hotfix", ("pr_title", "pr_label", "pr_branch"), "hotfix"),)


class LinkedPattern:
    """A linked rule, ready to match."""

    def __init__(self, rule: LinkedRule) -> None:
        _refuse(problems(rule))
        self.rule = rule
        (self.variable,) = _VARIABLE.findall(rule.pattern)
        self._pattern = _compiled(rule)

    def captures(self, value: str) -> tuple[str, ...]:
        """What the variable stands for in `value`, with and without its trailing ` (#n)`."""
        trimmed = value.strip()
        forms = dict.fromkeys((trimmed, plain_title(trimmed)))
        captured = [match[_CAPTURED] for form in forms if (match := self._pattern.fullmatch(form))]
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
        _refuse(problems(rule))
        self.rule = rule
        self._pattern = _compiled(rule)

    def found_in(self, value: str) -> bool:
        return self._pattern.search(value) is not None


def problems(rule: LinkedRule | StaticRule) -> tuple[Problem, ...]:
    """What keeps `rule` from being used: unknown fields, a wrong pattern, wrong variables."""
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
    """How many times `Revert "` stands at the start of `title`."""
    title = title.strip()
    count = 0
    while title.startswith(_REVERT, count * len(_REVERT)):
        count += 1
    return count


def _refuse(found: tuple[Problem, ...]) -> None:
    if found:
        raise Invalid(*found)


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
        _compiled(rule)
    except re.error as error:
        yield Problem(f"is not a regular expression: {error}", ("pattern",))


def expression(rule: LinkedRule | StaticRule) -> str:
    """The regular expression that the rule's pattern stands for."""
    if isinstance(rule, StaticRule):
        return rule.pattern
    return _VARIABLE.sub(lambda name: _VARIABLE_PATTERNS[name[1]], rule.pattern)


def _compiled(rule: LinkedRule | StaticRule) -> re.Pattern[str]:
    return re.compile(expression(rule), re.IGNORECASE if isinstance(rule, StaticRule) else 0)
