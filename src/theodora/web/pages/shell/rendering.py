"""The conversion of a page's answer, or an error, to a reply."""

import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.datastructures import ImmutableMultiDict

from theodora import __version__
from theodora.errors import Invalid, TheodoraError
from theodora.report.scope import Scope
from theodora.storage import patiently
from theodora.web.http.asgi import log_failure, log_unexpected
from theodora.web.http.listeners import EVENT_STREAM, Listener
from theodora.web.http.responses import Header, Reply
from theodora.web.http.shareable import is_shareable
from theodora.web.pages.shell import navigation
from theodora.web.pages.shell.assets import assets
from theodora.web.pages.shell.cookies import set_cookie
from theodora.web.pages.shell.errors import error_page, locate_problem
from theodora.web.pages.shell.page import (
    Answer,
    ChangeStream,
    Cookie,
    Download,
    Page,
    SeeOther,
    SignInNeeded,
    Stream,
    View,
)
from theodora.web.pages.shell.read_only import read_only
from theodora.web.pages.shell.request import PageRequest
from theodora.web.pages.shell.templates import render

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_OF_SHARED_PAGES: tuple[Header, ...] = (
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex"),
)
"""Instead of those of the same name: the address is the secret."""
_STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=31536000")
"""For this host alone: others of its domain may not speak https."""
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_HEADER_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


class Streamed(NamedTuple):
    """A reply whose body has only begun."""

    reply: Reply
    chunks: Iterator[bytes]
    """The rest of the body."""


class Listened(NamedTuple):
    """A reply whose body are the changes that come."""

    reply: Reply
    listener: Listener


Replied = Reply | Streamed | Listened


def reply_to(request: PageRequest, body: bytes | TheodoraError, request_id: bytes) -> Replied:
    """Answers a request, even after an error; runs on a thread."""
    try:
        try:
            return _recorded(request, body)
        except SignInNeeded as error:
            if request.is_form:
                return _failed(request, error, request_id)
            return _finished(request, SeeOther(request.sign_in_link), None)
        except Exception as error:  # The last place that can answer.
            with patiently():  # The page of an error needs a few reads of its own.
                return _failed(request, error, request_id)
    except Exception as error:  # Not even the page of the error could be drawn.
        log_unexpected(error)
        return Reply(500, b"Something went wrong.\n", _TEXT)


def _recorded(request: PageRequest, body: bytes | TheodoraError) -> Replied:
    reply = request.at_one_moment(lambda: _finished(request, request.answer(body), request.page))
    # Not in the snapshot, whose work may run twice.
    request.record_export()
    return reply


def _failed(request: PageRequest, error: Exception, request_id: bytes) -> Replied:
    log_failure(error)
    if isinstance(error, Invalid) and request.session is not None:
        problem = locate_problem(error, request.scope.query)
        if problem is not None:
            view = View({"problem": problem}, 400, template="query_problem.html")
            return _finished(request, view, request.page)
    page = error_page(error, request.dashboard.invocation.command, request.org_flag)
    values = {"error": page, "request_id": request_id.decode("latin-1")}
    return _finished(request, View(values, page.status, template="error.html"), request.page)


def _finished(request: PageRequest, answer: Answer, page: Page | None) -> Replied:
    match answer:
        case Stream():
            # What fails does so at the first chunk, as a rule, and can still be reported.
            begun = b"" if request.is_head else next(answer.chunks)
            headers = _headers(request, (), _named(answer))
            return Streamed(Reply(200, begun, answer.media_type, headers), answer.chunks)
        case ChangeStream():
            # Else nginx holds events back until there are many.
            headers = _headers(request, (), ((b"x-accel-buffering", b"no"),))
            return Listened(Reply(200, b"", EVENT_STREAM, headers), answer.listener)
        case SeeOther():
            return _redirected(request, answer)
        case Download():
            headers = _headers(request, (), _named(answer))
            return Reply(200, answer.body, answer.media_type, headers)
        case View():
            return _drawn(request, answer, page)


def _redirected(request: PageRequest, answer: SeeOther) -> Reply:
    location = _HEADER_UNSAFE.sub(lambda found: quote(found[0]), answer.location)
    more = ((b"location", location.encode()),)
    return Reply(303, b"", None, _headers(request, answer.cookies, more))


def _drawn(request: PageRequest, view: View, page: Page | None) -> Reply:
    read = time.perf_counter()
    frame = _frame_values(request, page, read)
    template = view.template or (page.template if page else "")
    html = render(template, {**frame, **view.values})
    if request.is_by_link:
        html = read_only(html, is_live=page is not None and page.is_live)
    drawn = time.perf_counter()
    timing = f"read;dur={_ms(request.started, read)}, draw;dur={_ms(read, drawn)}"
    more = ((b"server-timing", timing.encode()),)
    headers = _headers(request, view.cookies, more)
    return Reply(view.status, html.encode("utf-8", "replace"), _HTML, headers)


def _frame_values(request: PageRequest, page: Page | None, read: float) -> Mapping[str, Any]:
    """The values for every template; CONTRIBUTING lists them."""
    dashboard, scope = request.dashboard, request.scope
    visit = request.visit(ImmutableMultiDict())
    return {
        "visit": visit,
        "scope": scope,
        "clock": scope.clock,
        "link": scope.link,
        "asset": partial(_asset_link, scope),
        "place": page.place if page else "",
        "section_tabs": navigation.tabs(dashboard.pages, page.place, visit.may) if page else (),
        "places": (
            navigation.entries(dashboard.pages) if request.session and not request.shared else ()
        ),
        "share": _share_link(request, page),
        "save": _save_link(request, page),
        "version": __version__,
        "program": dashboard.invocation.program,
        "command": dashboard.invocation.command,
        "org_flag": request.org_flag,
        "serve_https": dashboard.invocation.serve_https,
        "read_ms": _ms(request.started, read),
    }


def _share_link(request: PageRequest, page: Page | None) -> str:
    """Where to share the page; empty if it cannot be, or not by who is signed in."""
    session = request.session
    if not (request.dashboard.share_links and page and session and not request.is_form):
        return ""
    if page.method != "GET" or not session.principal.may_make_links:
        return ""
    target = request.target
    if not is_shareable(target.partition("?")[0]):
        return ""
    return request.scope.link("/settings/links", page=target)


def _save_link(request: PageRequest, page: Page | None) -> str:
    """Where to save the view; empty if it cannot be."""
    if page is None or page.method != "GET" or request.session is None or request.shared:
        return ""
    target = request.target
    is_saveable = is_shareable(target.partition("?")[0])
    return request.scope.link("/views", page=target) if is_saveable else ""


def _asset_link(scope: Scope, name: str) -> str:
    return scope.href(f"/static/{assets()[name].name}")


def _headers(
    request: PageRequest, cookies: tuple[Cookie, ...], more: tuple[Header, ...]
) -> tuple[Header, ...]:
    """Headers of every page, with the cookies of the request and of its answer."""
    prefix = request.dashboard.path_prefix
    set_cookies = (
        (b"set-cookie", set_cookie(cookie, prefix, is_secure=request.is_secure).encode())
        for cookie in (*request.new_cookies, *cookies)
    )
    kept = (b"cache-control", b"private, no-cache")
    transport = (_STRICT_TRANSPORT,) if request.is_secure else ()
    own = (*SECURITY_HEADERS, kept)
    if request.is_by_link:
        replaced = {name for name, _ in _OF_SHARED_PAGES}
        own = (*(each for each in own if each[0] not in replaced), *_OF_SHARED_PAGES)
    return (*own, *transport, *set_cookies, *more)


def _named(answer: Download | Stream) -> tuple[Header, ...]:
    if answer.filename is None:
        return ()
    disposition = f"attachment; filename*=UTF-8''{quote(answer.filename)}"
    return ((b"content-disposition", disposition.encode()),)


def _ms(since: float, until: float) -> str:
    return f"{(until - since) * 1000:.1f}"
