"""The overview of an empty store: how to send the first event."""

import time
from urllib.parse import quote, urlsplit

import msgspec

from theodora.query.fields import Kind, sort_key
from theodora.report import wording
from theodora.report.invocation import datadog_site
from theodora.storage import Selection
from theodora.storage.access.key_secrets import new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.web.pages.keys import require_lasting
from theodora.web.pages.shell.page import Answer, Download, SeeOther, View, Visit

TEMPLATE = "first_run.html"
_JSON = "application/json"
_PLACEHOLDER = "<an API key>"


def has_no_event(visit: Visit) -> bool:
    return _first_arrival(visit) is None


def show_first_run(visit: Visit, api_key: str = "") -> View:
    """`api_key` has just been made, and is shown this once."""
    url = urlsplit(visit.url)
    site = datadog_site(url)
    return View(
        {
            "api_key": api_key,
            "shown_key": api_key or _PLACEHOLDER,
            "may_make_key": visit.principal.may_make_keys,
            "refusal": visit.store.reception.last_refusal(visit.organisation),
            "site": site,
            "site_host": site.partition("/")[0].partition(":")[0],
            "has_https": url.scheme == "https",
        },
        template=TEMPLATE,
    )


def make_first_key(visit: Visit) -> Answer:
    """Makes an API key and fills it in; it can be shown in this answer alone.

    Raises `KeyIsLimited` if a key is signed in that is limited in time or place.
    """
    require_lasting(visit)
    if not has_no_event(visit):
        return SeeOther(visit.scope.href("/"))
    secret = new_secret("api")
    visit.store.keys.add(
        visit.organisation.name,
        "api",
        secret,
        name="first event",
        permissions=frozenset(PERMISSIONS_OF["api"]),
        now_ns=time.time_ns(),
        actor=visit.actor,
    ).result()
    return show_first_run(visit, secret)


def tell_first_arrival(visit: Visit) -> Answer:
    """For the script: where to go once an event has come."""
    path = _first_arrival(visit)
    go = None if path is None else visit.scope.href(path)
    refusal = visit.store.reception.last_refusal(visit.organisation)
    refused = wording.visible(refusal.message) if refusal else None
    return Download(msgspec.json.encode({"go": go, "refused": refused}), _JSON)


def _first_arrival(visit: Visit) -> str | None:
    """The path of the page of the newest event; None if there is none at all."""
    for kind, events in (
        (Kind.DEPLOYMENT, visit.store.deployments),
        (Kind.FAILURE, visit.store.failures),
    ):
        sort = sort_key("created_at", kind)
        assert sort is not None
        found = events.select(visit.organisation, Selection(sort=sort, limit=1))
        if found:
            return f"/{kind.value}s/{quote(found[0].id, safe='')}"
    return None
