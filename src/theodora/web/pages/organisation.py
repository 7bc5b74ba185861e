"""The page of the organisation: what it holds, and its deletion."""

from shlex import quote
from typing import Any

from theodora.storage.access.permissions import WRITE_ORGANISATION
from theodora.storage.deletion_guards import Unconfirmed
from theodora.storage.organisations import LASTING
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/organisation"


def show_organisation(visit: Visit) -> Answer:
    """With `delete`, asks for the confirmation."""
    return View(_values(visit, is_asked="delete" in visit.query_parameters))


def plan_deletion(visit: Visit) -> Answer:
    """Closes the organisation, if its name was typed and the number of its events is still so."""
    counted = visit.form.get("events", "")
    is_number = counted.isascii() and counted.isdigit() and len(counted) < 20
    problem = ""
    if visit.form.get("name", "").strip() != visit.organisation.name.strip():
        problem = "That is not the name of this organisation."
    else:
        planned = visit.store.organisations.plan_deletion(
            visit.organisation,
            visit.now_ns,
            int(counted) if is_number else None,
            actor=visit.actor,
        ).result()
        if not isinstance(planned, Unconfirmed):
            return SeeOther(visit.scope.link(PATH))
        problem = "The number of events has changed meanwhile: see below, and confirm again."
    return View(_values(visit, is_asked=True, problem=problem), 400)


def take_back(visit: Visit) -> Answer:
    """Raises `Invalid` if the deletion has begun."""
    visit.store.organisations.take_back(visit.organisation, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="restored"))


def _values(visit: Visit, *, is_asked: bool = False, problem: str = "") -> dict[str, Any]:
    store, org = visit.store.organisations, visit.organisation
    record = store.get(org.name)
    return {
        "created_at_ns": record.created_at_ns,
        "deletion": record.deletion,
        "refusal": record.refusal if record.deletion else None,
        "holdings": store.holdings(org),
        "delay_days": store.guards.organisation_days,
        "is_lasting": org.name == LASTING,
        "is_asked": is_asked,
        "shell_name": quote(org.name),
        "problems": {"name": problem} if problem else {},
        "may_write": visit.may(WRITE_ORGANISATION),
        "is_restored": visit.query_parameters.get("saved") == "restored",
    }
