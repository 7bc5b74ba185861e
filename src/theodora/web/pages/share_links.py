"""Share links: made for a page, shown once, listed and revoked."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from theodora.errors import Invalid, NotFound, Problem
from theodora.events.values import DAY_NS
from theodora.storage.access.permissions import WRITE
from theodora.storage.access.sessions import new_session_secret
from theodora.web.http.shareable import is_shareable
from theodora.web.pages.shell.page import Answer, KeyIsLimited, SeeOther, View, Visit
from theodora.web.pages.shell.sharing import SHARED_PATH

PATH = "/settings/links"
LIFETIMES = (1, 7, 30, 90)
"""Days that can be chosen."""
_SHOWN = 100
"""Most links that are listed, newest first."""
_MAX_TARGET = 4_000


def show_share_links(visit: Visit) -> Answer:
    return View(_values(visit, target=visit.query_parameters.get("page", "")))


def make_share_link(visit: Visit) -> Answer:
    """Makes a link; it can be shown in this answer alone, so that there is no redirect.

    Raises `NotFound` where the setting is off, `Invalid` for a page that cannot be shared, and
    `KeyIsLimited` for a key with addresses: a link opens from anywhere.
    """
    if not visit.may_share:
        raise NotFound("this server has no share links")
    if not visit.principal.may_make_links:
        raise KeyIsLimited(visit.principal)
    target, days = visit.form.get("page", ""), visit.form.get("days", "")
    path, _, query = target.partition("?")
    if not is_shareable(path) or len(target) > _MAX_TARGET:
        raise Invalid(Problem("this page cannot be shared"))
    if days not in map(str, LIFETIMES):
        raise Invalid(Problem("a share link lasts 1, 7, 30 or 90 days"))
    secret = new_session_secret()
    visit.store.share_links.add(
        visit.principal,
        secret,
        path,
        urlencode(parse_qsl(query, keep_blank_values=True)),
        expires_at_ns=visit.now_ns + int(days) * DAY_NS,
        now_ns=visit.now_ns,
        actor=visit.actor,
    ).result()
    return View(_values(visit, made=visit.url + SHARED_PATH.format(secret=secret)))


def revoke_share_link(visit: Visit) -> Answer:
    """Raises `NotFound` for no link of the organisation, or one that is revoked."""
    id_ = visit.form.get("id", "")
    visit.store.share_links.revoke(
        visit.organisation, id_, visit.now_ns, actor=visit.actor
    ).result()
    return SeeOther(visit.scope.link(PATH, saved="revoked"))


def open_share_link(_visit: Visit) -> Answer:
    """A good link is answered by the handler of its page; any other has no page."""
    raise NotFound


def _values(visit: Visit, *, target: str = "", made: str = "") -> Mapping[str, Any]:
    links = visit.store.share_links.all_of(visit.organisation, visit.now_ns)
    return {
        "links": [(each, each.state(visit.now_ns)) for each in links[:_SHOWN]],
        "count": len(links),
        "target": target if is_shareable(target.partition("?")[0]) else "",
        "may_make": visit.principal.may_make_links,
        "made": made,
        "lifetimes": LIFETIMES,
        "may_write": visit.may(WRITE),
        "saved": visit.query_parameters.get("saved", ""),
    }
