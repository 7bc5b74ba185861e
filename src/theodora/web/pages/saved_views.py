"""Saved views: the list to open and delete them from, and the form to save one."""

from collections.abc import Mapping
from typing import Any

from theodora.errors import Invalid
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.storage.access.permissions import WRITE
from theodora.storage.access.principals import Principal
from theodora.storage.saved_views import EVERYBODY, owner_of
from theodora.web.http.shareable import is_shareable, read_saved_view
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/views"


def show_saved_views(visit: Visit) -> Answer:
    target = visit.query_parameters.get("page", "")
    return View(_values(visit, target if is_shareable(target.partition("?")[0]) else ""))


def save_view(visit: Visit) -> Answer:
    """Raises `NotPermitted` for one for everybody by who changes nothing."""
    target, name = visit.form.get("page", ""), visit.form.get("name", "").strip()
    is_everybodys = visit.form.get("for") == "everybody"
    if is_everybodys:
        visit.require(WRITE)
    owner = EVERYBODY if is_everybodys else owner_of(visit.actor)
    try:
        view = read_saved_view(owner, name, target, is_start=visit.form.get("start") == "yes")
    except Invalid as invalid:
        problem = invalid.problems[0].detail
        return View(_values(visit, target, name, problem), status=400)
    visit.store.saved_views.put(visit.organisation, view, visit.now_ns, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="saved"))


def delete_view(visit: Visit) -> Answer:
    """Raises `NotFound` for none that who is signed in sees."""
    owner = owner_of(visit.actor)
    if visit.form.get("for") == "everybody":
        visit.require(WRITE)
        owner = EVERYBODY
    name = visit.form.get("name", "")
    visit.store.saved_views.remove(visit.organisation, owner, name, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="deleted"))


def after_sign_in(visit: Visit, principal: Principal, next_: str) -> str:
    """The location that signing in leads to: what was asked for, else the start view."""
    if next_:
        return visit.back_to(next_)
    start = visit.store.saved_views.start(principal.organisation, owner_of(principal.actor))
    return visit.back_to(start.target if start else "")


def _values(visit: Visit, target: str, name: str = "", problem: str = "") -> Mapping[str, Any]:
    found = visit.store.saved_views.seen_by(visit.organisation, owner_of(visit.actor))
    return {
        "views": [(each, each.owner == EVERYBODY) for each in found],
        "target": target,
        "name": name,
        "problem": problem,
        "max_name": MAX_TEXT_CHARACTERS,
        "may_write": visit.may(WRITE),
        "saved": visit.query_parameters.get("saved", ""),
    }
