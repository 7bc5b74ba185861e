"""The page of retention: preview and set the limit."""

from collections.abc import Mapping
from typing import Any

from theodora.errors import Invalid
from theodora.storage.access.permissions import WRITE_ORGANISATION
from theodora.storage.deletion_guards import Unconfirmed
from theodora.storage.retention import MAX_DAYS
from theodora.web.api.retention import read_days
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/retention"

_PROBLEMS = {
    "days": f"Enter a number of days from 1 to {MAX_DAYS:,}, or nothing to keep events for ever."
}


def show_retention(visit: Visit) -> Answer:
    """With `days`, previews what keeping events for so many would delete; empty is for ever."""
    tried = visit.query_parameters.get("days")
    if tried is None:
        return View(_values(visit))
    try:
        days = _read(tried)
    except Invalid:
        return View(_values(visit, tried=tried, problems=_PROBLEMS), 400)
    old = visit.store.retention.preview(visit.organisation, days, visit.now_ns)
    return View({**_values(visit, tried=tried), "old": old, "then": days})


def save_retention(visit: Visit) -> Answer:
    tried = visit.form.get("days", "")
    try:
        days = _read(tried)
    except Invalid:
        return View(_values(visit, tried=tried, problems=_PROBLEMS), 400)
    confirmed = visit.form.get("confirm", "")
    is_number = confirmed.isascii() and confirmed.isdigit() and len(confirmed) < 20
    number = int(confirmed) if is_number else None
    changed = visit.store.retention.change(
        visit.organisation, days, visit.now_ns, number, actor=visit.actor
    ).result()
    if isinstance(changed, Unconfirmed):
        old = visit.store.retention.preview(visit.organisation, days, visit.now_ns)
        shown = {**_values(visit, tried=tried), "old": old, "then": days, "is_unconfirmed": True}
        return View(shown, 400)
    return SeeOther(visit.scope.link(PATH, saved="1"))


def _read(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return read_days({"days": int(text) if is_number else text})


def _values(
    visit: Visit, *, tried: str | None = None, problems: Mapping[str, str] | None = None
) -> dict[str, Any]:
    limit = visit.store.retention.settings(visit.organisation)
    days = limit.days
    shown = "" if days is None else str(days)
    return {
        "days": days,
        "plan": limit.plan,
        "refusal": limit.refusal,
        "delay_hours": visit.store.retention.guards.delay_hours,
        "is_unconfirmed": False,
        "tried": shown if tried is None else tried,
        "old": None,
        "then": None,
        "problems": problems or {},
        "may_write": visit.may(WRITE_ORGANISATION),
        "is_saved": "saved" in visit.query_parameters,
    }
