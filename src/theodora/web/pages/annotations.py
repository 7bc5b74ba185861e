"""The page of annotations: a form to add one, and the list to remove them from."""

from collections.abc import Mapping
from typing import Any

from theodora.errors import Invalid
from theodora.events.annotations import (
    ABOUT,
    MAX_ANNOTATION_CHARACTERS,
    read_annotation,
)
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.report.parameters import instants_in
from theodora.storage.access.permissions import WRITE
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/annotations"
_SHOWN = 200
"""Most annotations that are listed, newest first."""


def show_annotations(visit: Visit) -> Answer:
    return View(_values(visit))


def add_annotation(visit: Visit) -> Answer:
    """Raises `NotOfTeam` for what concerns another team than those of who is signed in."""
    fields = {name: visit.form.get(name, "").strip() for name in ("at", "text", *ABOUT)}
    try:
        read = instants_in(visit.scope.calendar)
        at_ns = read(fields["at"]) if fields["at"] else visit.now_ns
        named = {name: value for name, value in fields.items() if name != "at"}
        content = read_annotation(named, at_ns)
    except Invalid as invalid:
        return View(_values(visit, fields, _problems(invalid)), status=400)
    visit.require_team(visit.team_of(content.service, content.team))
    visit.store.annotations.add(
        visit.organisation, content, visit.now_ns, actor=visit.actor
    ).result()
    return SeeOther(visit.scope.link(PATH, saved="added"))


def remove_annotation(visit: Visit) -> Answer:
    """Raises `NotFound` for none of the organisation, `NotOfTeam` for one of another team."""
    id_ = visit.form.get("id", "")
    stored = visit.store.annotations.get(visit.organisation, id_)
    visit.require_team(visit.team_of(stored.content.service, stored.content.team))
    visit.store.annotations.remove(visit.organisation, id_, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="removed"))


def _values(
    visit: Visit,
    fields: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    found = visit.store.annotations.newest(visit.organisation, _SHOWN + 1)
    now = f"{visit.scope.clock.local(visit.now_ns):%Y-%m-%dT%H:%M}"
    teams = visit.store.settings.teams(visit.organisation)
    return {
        "rows": [
            (each, visit.may_write(visit.team_of(each.content.service, each.content.team)))
            for each in found[:_SHOWN]
        ],
        "has_more": len(found) > _SHOWN,
        "fields": fields or {**dict.fromkeys(("text", *ABOUT), ""), "at": now},
        "problems": problems or {},
        "services": visit.store.settings.services(visit.organisation, limit=_SHOWN),
        "teams": sorted(set(teams.values())),
        "max_text": MAX_ANNOTATION_CHARACTERS,
        "max_name": MAX_TEXT_CHARACTERS,
        "may_write": visit.may(WRITE),
        "saved": visit.query_parameters.get("saved", ""),
    }


def _problems(invalid: Invalid) -> Mapping[str, str]:
    """A sentence for each field; what names none is about the time."""
    return {
        str(problem.path[0]) if problem.path else "at": problem.detail.removeprefix("attribute ")
        for problem in invalid.problems
    }
