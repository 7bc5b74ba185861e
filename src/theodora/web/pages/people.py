"""The people of the organisation and the sessions: roles, teams, switching off, ending sessions."""

from theodora.errors import Invalid, NotFound, Problem
from theodora.storage.access.people import read_teams
from theodora.storage.access.permissions import (
    ROLE_NAMES,
    ROLES,
    WRITE_ORGANISATION,
    role_named,
)
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/people"
BY_GROUPS = "groups"
"""The value of the form that gives a role back to the groups."""


def show_people(visit: Visit) -> Answer:
    """Your own sessions, and all of them if you may change people."""
    may_write = visit.may(WRITE_ORGANISATION)
    sessions = visit.store.sessions.all_of(visit.organisation, visit.now_ns, visit.limits)
    return View(
        {
            "people": visit.store.people.all_of(visit.organisation) if may_write else (),
            "sessions": [
                each
                for each in sessions
                if may_write or each.principal.actor == visit.principal.actor
            ],
            "roles": ROLES,
            "may_write": may_write,
            "saved": visit.query_parameters.get("saved", ""),
            "own_id": visit.principal.actor.id,
        }
    )


def change_person(visit: Visit) -> Answer:
    """Sets a role or teams, or switches a person off or on; nobody does so to their own account.

    Raises `NotFound` for an unknown person, `Invalid` for an unknown role or teams that cannot be,
    and `NotPermitted` for a role that allows what who is signed in may not do.
    """
    id_, act = visit.form.get("id", ""), visit.form.get("act", "")
    people, org = visit.store.people, visit.organisation
    if id_ == visit.principal.actor.id:
        raise Invalid(Problem("you cannot change your own role or teams, or switch yourself off"))
    if act == "disable":
        people.disable(org, id_, visit.now_ns, actor=visit.actor).result()
    elif act == "enable":
        _require_all_of(visit, people.get(org, id_).role.name)
        people.enable(org, id_, actor=visit.actor).result()
    elif act == "teams":
        teams = read_teams(visit.form.get("teams", ""))
        _require_all_of(visit, people.get(org, id_).role.name)
        people.set_teams(org, id_, teams, actor=visit.actor).result()
    else:
        role = visit.form.get("role", "")
        given = None if role == BY_GROUPS else role
        _require_all_of(visit, role)
        people.set_role(org, id_, given, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="person"))


def _require_all_of(visit: Visit, role: str) -> None:
    """Raises `NotPermitted` for a permission of the role that who is signed in lacks."""
    if role in ROLE_NAMES:
        for permission in sorted(role_named(role).permissions):
            visit.require(permission)


def end_session(visit: Visit) -> Answer:
    """Ends a session of your own, or of others with the permission.

    Raises `NotFound` for any other.
    """
    id_ = visit.form.get("id", "")
    found = visit.store.sessions.all_of(visit.organisation, visit.now_ns, visit.limits)
    owner = next((each.principal.actor for each in found if each.id == id_), None)
    if owner is None or not (visit.may(WRITE_ORGANISATION) or owner == visit.principal.actor):
        raise NotFound("there is no such session")
    visit.store.sessions.end_by_id(visit.organisation, id_, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="session"))
