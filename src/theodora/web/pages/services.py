"""The page of services: team, production environments, and which commits count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from theodora.dora import ServiceSettings
from theodora.dora.derivation.settings import NAME_GLOBS
from theodora.dora.derivation.settings_input import read_settings
from theodora.errors import Invalid, Problem
from theodora.events.attributes import CONTROL
from theodora.storage.access.permissions import WRITE_SETTINGS
from theodora.storage.facts.settings import WHOLE_ORGANISATION, Given, KnownService
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/services"
MAX_SERVICE_NAME = 255
_SHOWN = 60
_LISTS = ("production_envs", "path_globs", *NAME_GLOBS)
"""Members with one item for each line of the form."""
_ALIASES = "repository_aliases"
_FILES = "service_files"
MEMBERS = ("team", *_LISTS, _FILES, _ALIASES)
"""The members of settings that are set on this page."""
RULE_MEMBERS = frozenset(ServiceSettings.__struct_fields__) - frozenset(MEMBERS)
"""All others, which the page of rules sets."""


class ServiceSettingsRow(NamedTuple):
    """A service in the table."""

    name: str
    settings: ServiceSettings
    own: frozenset[str]
    """The members that were set for the service itself."""

    @property
    def has_own_rules(self) -> bool:
        return bool(self.own & RULE_MEMBERS)


class Editing(NamedTuple):
    """The form about one service, or with no name about the organisation.

    Repository aliases are set for the organisation alone.
    """

    service: str
    fields: Mapping[str, str]
    inherited: ServiceSettings
    """The settings that apply where a field is empty."""
    problems: Mapping[str, str]


def show_services(visit: Visit) -> Answer:
    service = visit.query_parameters.get("edit")
    if service is None or not visit.may(WRITE_SETTINGS):
        return View(_values(visit, None))
    check_name(service)
    given = visit.store.settings.given(visit.organisation, service)
    return View(_values(visit, Editing(service, _fields(given), _inherited(visit, service), {})))


def save_service(visit: Visit) -> Answer:
    """Sets what the form has; members that it lacks, such as rules, stay as they were."""
    service = visit.form.get("service", WHOLE_ORGANISATION)
    check_name(service)
    kept = {
        name: value
        for name, value in visit.store.settings.given(visit.organisation, service).items()
        if name in RULE_MEMBERS
    }
    try:
        given = read_settings({**kept, **_read(visit)}, of_service=bool(service))
    except Invalid as invalid:
        fields = {name: visit.form.get(name, "") for name in MEMBERS}
        problems = {str(each.path[0]): _problem_text(each) for each in reversed(invalid.problems)}
        editing = Editing(service, fields, _inherited(visit, service), problems)
        return View(_values(visit, editing), 400)
    visit.store.settings.put(visit.organisation, given, service, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved=service))


def check_name(service: str) -> None:
    """The name of a service that an event might have, or none for the organisation."""
    if len(service) > MAX_SERVICE_NAME or CONTROL.search(service):
        detail = f"must be at most {MAX_SERVICE_NAME} characters, none of them a control character"
        raise Invalid(Problem(detail, parameter="service"))


def _read(visit: Visit) -> Given:
    """The settings of the form; an empty field sets nothing."""
    team = visit.form.get("team", "").strip()
    given: Given = {"team": team} if team else {}
    for name in _LISTS:
        lines = [line.strip() for line in visit.form.get(name, "").splitlines()]
        if any(lines):
            given[name] = [line for line in lines if line]
    if visit.form.get(_FILES):
        given[_FILES] = True
    if aliases := dict(_read_aliases(visit.form.get(_ALIASES, ""))):
        given[_ALIASES] = aliases
    return given


def _read_aliases(text: str) -> Iterator[tuple[str, str]]:
    """Former and present repository of each line; a line without an arrow leads nowhere."""
    for line in filter(None, map(str.strip, text.splitlines())):
        old, _, new = line.partition("->")
        yield old.strip(), new.strip()


def _problem_text(problem: Problem) -> str:
    """The problem, and the line that it is about."""
    if problem.path[0] == _ALIASES:
        return f"{problem.path[-1]}: {problem.detail}."
    if len(problem.path) > 1:
        return f"Line {int(problem.path[1]) + 1} {problem.detail}."
    return f"It {problem.detail}."


def _fields(given: Given) -> Mapping[str, str]:
    return {
        "team": given.get("team", ""),
        **{name: "\n".join(given.get(name, ())) for name in _LISTS},
        _FILES: "on" if given.get(_FILES) else "",
        _ALIASES: "\n".join(f"{old} -> {new}" for old, new in given.get(_ALIASES, {}).items()),
    }


def _inherited(visit: Visit, service: str) -> ServiceSettings:
    if service == WHOLE_ORGANISATION:
        return ServiceSettings()
    return visit.store.settings.effective(visit.organisation, WHOLE_ORGANISATION)


def _values(visit: Visit, editing: Editing | None) -> dict[str, Any]:
    known = visit.store.settings.services(visit.organisation)
    named = visit.query_parameters.get("named", "").strip()
    found = _without_team_first(known, named)
    return {
        "editing": editing,
        "rows": found[:_SHOWN],
        "found": len(found),
        "all": len(known),
        "without_team": sum(each.effective.team is None for each in known),
        "named": named,
        "organisation": visit.store.settings.effective(visit.organisation, WHOLE_ORGANISATION),
        "may_write": visit.may(WRITE_SETTINGS),
        "saved": visit.query_parameters.get("saved"),
    }


def _without_team_first(known: Sequence[KnownService], named: str) -> list[ServiceSettingsRow]:
    """The services with `named` in their names, ignoring case; those without a team first."""
    rows = (
        ServiceSettingsRow(each.name, each.effective, frozenset(each.given))
        for each in known
        if named.lower() in each.name.lower()
    )
    return sorted(rows, key=lambda row: (row.settings.team is not None, row.name))
