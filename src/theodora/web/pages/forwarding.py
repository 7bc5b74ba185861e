"""The page of forwarding: where what comes in is sent on to, what waits and why."""

from collections.abc import Mapping
from typing import Any

from theodora.events.attributes import CONTROL
from theodora.sources.datadog.sites import SITES, api_url
from theodora.storage.access.permissions import WRITE_SETTINGS
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/forwarding"

_SHOWN = 50
"""Parked changes."""
_MAX_KEY = 200
_KEYS = {"api_key": "API key", "app_key": "application key"}
_DONE: Mapping[str, str] = {
    "on": "Forwarding is on. What comes in from now on is sent.",
    "pause": "Forwarding is paused. Changes are still queued.",
    "resume": "Forwarding is resumed.",
    "retry": "The change is sent again.",
    "drop": "The change was dropped.",
    "off": "Forwarding is off. The keys and the queue are deleted.",
}


def show_forwarding(visit: Visit) -> Answer:
    return View(_values(visit))


def begin_forwarding(visit: Visit) -> Answer:
    """Forwards to one of Datadog's own sites: a page must not make the server ask any URL."""
    site = visit.form.get("site", "")
    keys = {name: visit.form.get(name, "").strip() for name in _KEYS}
    problems = {
        name: f"Enter the {_KEYS[name]}: 1 to {_MAX_KEY} ASCII characters."
        for name, key in keys.items()
        if not (1 <= len(key) <= _MAX_KEY and key.isascii()) or CONTROL.search(key)
    }
    if site not in SITES:
        problems["site"] = "Choose a site of Datadog."
    if problems:
        return View({**_values(visit), "asked_site": site, "problems": problems}, 400)
    visit.store.forwarding.put(
        visit.organisation,
        api_url(site),
        keys["api_key"],
        keys["app_key"],
        visit.now_ns,
        actor=visit.actor,
    ).result()
    return _done(visit, "on")


def change_forwarding(visit: Visit) -> Answer:
    """Does what the button says, to one parked change or to all of forwarding."""
    act = visit.path_parameters["act"]
    org, forwarding = visit.organisation, visit.store.forwarding
    number = visit.form.get("number", "")
    which = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    match act:
        case "pause":
            reason = f"paused by {visit.actor.name}"
            forwarding.pause(org, reason, actor=visit.actor).result()
        case "resume":
            forwarding.resume(org, actor=visit.actor).result()
        case "retry":
            forwarding.retry(org, which, actor=visit.actor).result()
        case "drop":
            forwarding.drop(org, which, actor=visit.actor).result()
        case "off":
            forwarding.remove(org, actor=visit.actor).result()
        case _:
            return SeeOther(visit.scope.link(PATH))
    return _done(visit, act)


def _done(visit: Visit, act: str) -> Answer:
    return SeeOther(visit.scope.link(PATH, done=act))


def _values(visit: Visit) -> dict[str, Any]:
    state = visit.store.forwarding.get(visit.organisation)
    return {
        "state": state,
        "parked": visit.store.forwarding.parked(visit.organisation, _SHOWN) if state else (),
        "sites": SITES,
        "asked_site": next((site for site in SITES if state and api_url(site) == state.url), ""),
        "problems": {},
        "may_write": visit.may(WRITE_SETTINGS),
        "done": _DONE.get(visit.query_parameters.get("done", "")),
        "is_leaving": "off" in visit.query_parameters,
    }
