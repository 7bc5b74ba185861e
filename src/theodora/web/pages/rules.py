"""The page of failure rules: show, preview and save them.

Trying is a GET, so that the address holds what was tried; only what has been tried is saved.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
from starlette.datastructures import ImmutableMultiDict

from theodora.dora import ServiceSettings
from theodora.dora.derivation.rules import FIELDS
from theodora.dora.derivation.settings_input import read_settings
from theodora.errors import Invalid, Problem
from theodora.events import Deployment
from theodora.events.values import DAY_NS
from theodora.report import wording
from theodora.report.links import deployment_path
from theodora.storage.access.permissions import WRITE_SETTINGS
from theodora.storage.facts.settings import WHOLE_ORGANISATION, Given
from theodora.web.pages.services import MEMBERS as SERVICE_MEMBERS
from theodora.web.pages.services import RULE_MEMBERS, check_name
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/rules"
WEEKS = 12
"""How far back a preview looks."""

_COUNTS = re.compile("[0-9]{1,9}(,[0-9]{1,9}){2}")
"""How many were marked failed, how many are, and of how many, from the preview."""
_SHOWN = 50
"""Most deployments of each kind that a preview lists."""

RuleKind = Literal["linked", "static"]
KINDS: Mapping[RuleKind, str] = {"linked": "linked_rules", "static": "static_rules"}
"""Each kind of rule, as names in the form begin, and the member of settings that has them."""

FIELD_WORDS = {
    "pr_title": "PR title",
    "pr_label": "PR label",
    "pr_branch": "PR branch",
    "commit_subject": "commit subject",
    "commit_message": "commit message",
    "version": "version",
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule as the form has it."""

    number: int
    """Its place in the names of its fields."""
    id: str = ""
    pattern: str = ""
    fields: tuple[str, ...] = ()
    is_on: bool = True

    @property
    def is_blank(self) -> bool:
        return not self.id and not self.pattern

    @property
    def given(self) -> dict[str, Any]:
        return {"id": self.id, "fields": list(self.fields), "pattern": self.pattern}


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of the form, valid or not."""

    rules: Mapping[RuleKind, tuple[RuleRow, ...]]
    detect_rollbacks: bool
    rollback_lookback: str
    """Empty for any number."""
    lead_time_clock: str
    lead_time_gap_days: str
    """Empty for as many as elsewhere."""
    sequence_tag: str
    """Empty for none."""
    incident_marks_failure: bool

    def on(self, kind: RuleKind) -> list[RuleRow]:
        return [row for row in self.rules[kind] if row.is_on and not row.is_blank]

    @property
    def given(self) -> Given:
        return {
            "detect_rollbacks": self.detect_rollbacks,
            "rollback_lookback": _number(self.rollback_lookback),
            "lead_time_clock": self.lead_time_clock,
            "lead_time_gap_days": _number(self.lead_time_gap_days),
            "sequence_tag": self.sequence_tag or None,
            "incident_marks_failure": self.incident_marks_failure,
            **{member: [row.given for row in self.on(kind)] for kind, member in KINDS.items()},
        }

    @property
    def parameters(self) -> Iterator[tuple[str, str]]:
        """The fewest fields of a form with the same values."""
        for kind in KINDS:
            for number, row in enumerate(self.on(kind)):
                name = f"{kind}-{number}"
                yield f"{name}-id", row.id
                yield f"{name}-pattern", row.pattern
                yield f"{name}-field", " ".join(row.fields)
                yield f"{name}-on", "on"
        if self.detect_rollbacks:
            yield "detect_rollbacks", "on"
        if self.incident_marks_failure:
            yield "incident_marks_failure", "on"
        yield "rollback_lookback", self.rollback_lookback
        yield "lead_time_clock", self.lead_time_clock
        yield "lead_time_gap_days", self.lead_time_gap_days
        yield "sequence_tag", self.sequence_tag


def _number(text: str) -> int | str | None:
    """An integer, or None for an empty field; `read_settings` rejects any other text."""
    return int(text) if text.isdecimal() else text or None


class ChangedVerdict(NamedTuple):
    """A deployment whose verdict would be another, with its path."""

    deployment: Deployment
    path: str


@dataclass(frozen=True, slots=True)
class Tried:
    """The effect of the draft on the deployments of the last weeks."""

    deployments: int
    failed_now: int
    failed_then: int
    new: tuple[ChangedVerdict, ...]
    no_longer: tuple[ChangedVerdict, ...]
    otherwise: int
    """How many would keep their verdict, but not every other figure."""

    @property
    def counts(self) -> str:
        return f"{self.failed_now},{self.failed_then},{self.deployments}"

    @property
    def as_now(self) -> int:
        return self.failed_then - len(self.new)


def show_rules(visit: Visit) -> Answer:
    service = visit.query_parameters.get("service", WHOLE_ORGANISATION)
    check_name(service)
    if not visit.query_parameters.keys() >= {"preview", "lead_time_clock"}:  # As every form has.
        return View(_values(visit, service, _current(visit, service)))
    draft = _read(visit.query_parameters)
    try:
        given = _checked(visit, service, draft)
    except Invalid as invalid:
        return View(_values(visit, service, draft, invalid), 400)
    return View(_values(visit, service, draft, tried=_try(visit, service, given)))


def save_rules(visit: Visit) -> Answer:
    """Sets what the form has; what it lacks, such as the team, stays as it was."""
    service = visit.form.get("service", WHOLE_ORGANISATION)
    check_name(service)
    draft = _read(visit.form)
    try:
        given = _checked(visit, service, draft)
    except Invalid as invalid:
        return View(_values(visit, service, draft, invalid), 400)
    visit.store.settings.put(visit.organisation, given, service, actor=visit.actor).result()
    counts = visit.form.get("counts", "")
    saved = counts if _COUNTS.fullmatch(counts) else "rules"
    return SeeOther(visit.scope.link(PATH, service=service or None, saved=saved))


def _current(visit: Visit, service: str) -> Draft:
    """The form as it is at first; rules that do not hold here but elsewhere are switched off."""
    effective = visit.store.settings.effective(visit.organisation, service)
    inherited = _inherited(visit, service)
    return Draft(
        rules={kind: tuple(_rows(effective, inherited, member)) for kind, member in KINDS.items()},
        detect_rollbacks=effective.detect_rollbacks,
        rollback_lookback=str(effective.rollback_lookback or ""),
        lead_time_clock=effective.lead_time_clock,
        lead_time_gap_days=str(effective.lead_time_gap_days),
        sequence_tag=effective.sequence_tag or "",
        incident_marks_failure=effective.incident_marks_failure,
    )


def _rows(effective: ServiceSettings, inherited: ServiceSettings, member: str) -> Iterator[RuleRow]:
    holding = getattr(effective, member)
    ids = {rule.id for rule in holding}
    others = [rule for rule in getattr(inherited, member) if rule.id not in ids]
    for number, rule in enumerate([*holding, *others]):
        yield RuleRow(number, rule.id, rule.pattern, tuple(rule.fields), rule.id in ids)
    yield RuleRow(len(holding) + len(others))


def _read(parameters: ImmutableMultiDict[str, str]) -> Draft:
    return Draft(
        rules={kind: _read_rows(parameters, kind) for kind in KINDS},
        detect_rollbacks="detect_rollbacks" in parameters,
        rollback_lookback=parameters.get("rollback_lookback", "").strip(),
        lead_time_clock=parameters.get("lead_time_clock", ""),
        lead_time_gap_days=parameters.get("lead_time_gap_days", "").strip(),
        sequence_tag=parameters.get("sequence_tag", "").strip(),
        incident_marks_failure="incident_marks_failure" in parameters,
    )


def _read_rows(parameters: ImmutableMultiDict[str, str], kind: RuleKind) -> tuple[RuleRow, ...]:
    """The rows in the requested order, and a blank row to add another."""
    placed: list[tuple[int, RuleRow]] = []
    for number in range(len(parameters)):
        name = f"{kind}-{number}"
        if f"{name}-id" not in parameters:
            break
        chosen = {each for text in parameters.getlist(f"{name}-field") for each in text.split()}
        row = RuleRow(
            number,
            parameters[f"{name}-id"].strip(),
            parameters.get(f"{name}-pattern", ""),
            tuple(field for field in FIELDS if field in chosen),
            f"{name}-on" in parameters,
        )
        order = parameters.get(f"{name}-order", "")
        placed.append((int(order) if order.isdecimal() else number + 1, row))
    rows = [row for _, row in sorted(placed, key=lambda each: each[0]) if not row.is_blank]
    return (*_numbered(rows), RuleRow(len(rows)))


def _numbered(rows: Sequence[RuleRow]) -> Iterator[RuleRow]:
    for number, row in enumerate(rows):
        yield RuleRow(number, row.id, row.pattern, row.fields, row.is_on)


def _checked(visit: Visit, service: str, draft: Draft) -> Given:
    """The settings with those of the draft; what is as for everybody else is not set here."""
    read = read_settings(draft.given)
    usual = msgspec.to_builtins(_inherited(visit, service))
    own = {name: value for name, value in read.items() if _sorted(value) != _sorted(usual[name])}
    given = visit.store.settings.given(visit.organisation, service)
    return {**{name: given[name] for name in SERVICE_MEMBERS if name in given}, **own}


def _sorted(value: Any) -> Any:
    """Rules with their fields in one order, which has no meaning."""
    if not isinstance(value, list | tuple):
        return value
    return [{**rule, "fields": sorted(rule["fields"])} for rule in value]


def _inherited(visit: Visit, service: str) -> ServiceSettings:
    if service == WHOLE_ORGANISATION:
        return ServiceSettings()
    return visit.store.settings.effective(visit.organisation, WHOLE_ORGANISATION)


def _try(visit: Visit, service: str, given: Given) -> Tried:
    since_ns = visit.now_ns - WEEKS * 7 * DAY_NS
    preview = visit.store.derivations.preview(visit.organisation, given, service, since_ns)
    changed = [
        then
        for now, then in preview.differing
        if (now.change_failure is True) != (then.change_failure is True)
    ]
    return Tried(
        deployments=preview.deployments,
        failed_now=preview.failed_now,
        failed_then=preview.failed_then,
        new=_newest_first(each for each in changed if each.change_failure),
        no_longer=_newest_first(each for each in changed if not each.change_failure),
        otherwise=len(preview.differing) - len(changed),
    )


def _newest_first(deployments: Iterator[Deployment]) -> tuple[ChangedVerdict, ...]:
    newest_first = sorted(deployments, key=lambda each: each.finished_at_ns, reverse=True)
    return tuple(ChangedVerdict(each, deployment_path(each)) for each in newest_first)


def _problems(draft: Draft, invalid: Invalid | None) -> Mapping[str, str]:
    """The problems by the name of the field."""
    if invalid is None:
        return {}
    return dict(_placed(draft, problem) for problem in reversed(invalid.problems))


def _placed(draft: Draft, problem: Problem) -> tuple[str, str]:
    member, *rest = problem.path
    if member == "rollback_lookback":
        return "rollback_lookback", "Enter an integer from 1, or leave it empty for any number."
    kinds: list[RuleKind] = [kind for kind, name in KINDS.items() if name == member]
    if not kinds or not rest:
        return str(kinds[0] if kinds else member), f"It {problem.detail}."
    kind = kinds[0]
    row = draft.on(kind)[int(rest[0])]
    part = "field" if rest[1] == "fields" else rest[1]
    said = "Choose at least one field." if part == "field" else problem.detail
    return f"{kind}-{row.number}-{part}", said if part == "field" else f"It {said}."


def _values(
    visit: Visit,
    service: str,
    draft: Draft,
    invalid: Invalid | None = None,
    tried: Tried | None = None,
) -> dict[str, Any]:
    given = visit.store.settings.given(visit.organisation, service)
    return {
        "service": service,
        "draft": draft,
        "problems": _problems(draft, invalid),
        "tried": tried,
        "shown": _SHOWN,
        "weeks": WEEKS,
        "own": RULE_MEMBERS & given.keys(),
        "field_words": FIELD_WORDS,
        "may_write": visit.may(WRITE_SETTINGS),
        "saved": _saved(visit.query_parameters.get("saved", "")),
    }


def _saved(text: str) -> str:
    """The line about what has been saved; empty where nothing has been."""
    if _COUNTS.fullmatch(text):
        before, now, whole = (wording.number(int(number)) for number in text.split(","))
        return f"Rules saved: {before} → {now} of {whole} marked in the last {WEEKS} weeks."
    return "Rules saved." if text == "rules" else ""
