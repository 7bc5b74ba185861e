"""A request for a page from the socket to its reply.

Session, permission, limit, scope and the token of a form are checked here, once for all
pages; then the handler answers and its template is drawn, on a thread.
"""

import asyncio
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

import structlog
from markupsafe import Markup
from starlette.datastructures import ImmutableMultiDict, QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Send
from starlette.types import Scope as ASGIScope

from theodora import __version__
from theodora.errors import Invalid, NotFound, ReadOnly, TheodoraError, TooManyRequests, Unavailable
from theodora.events.values import SECOND_NS
from theodora.query import Production, to_text
from theodora.report.invocation import DEFAULT_ORGANISATION, Invocation
from theodora.report.scope import Defaults, Scope, read_scope
from theodora.storage import Session, SessionLimits
from theodora.storage.access.sessions import new_session_secret
from theodora.web.http.body import read_body
from theodora.web.http.endpoint import ServerContext
from theodora.web.http.observe import note_operation, request_id_of_task
from theodora.web.http.rate_limit import Bucket
from theodora.web.http.responses import Header, Reply
from theodora.web.pages.parts.health_badge import Watch
from theodora.web.pages.shell import navigation
from theodora.web.pages.shell.assets import assets, assets_by_name
from theodora.web.pages.shell.cookies import (
    FORM_COOKIE,
    SESSION_COOKIE,
    form_token,
    is_form_token,
    new_form_secret,
    read_cookies,
    read_preferences,
    set_cookie,
)
from theodora.web.pages.shell.errors import error_page, query_problem
from theodora.web.pages.shell.page import (
    Answer,
    Cookie,
    Download,
    NotPermitted,
    Page,
    SeeOther,
    SignInNeeded,
    StaleForm,
    Stream,
    View,
    Visit,
)
from theodora.web.pages.shell.sign_in_lockout import Lockout
from theodora.web.pages.shell.templates import render

log = structlog.get_logger()

MAX_FORM_BYTES = 65_536
_MAX_FIELDS = 500

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SECURITY_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_HTML = "text/html; charset=utf-8"
_HEADER_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What pages are served with."""

    services: ServerContext
    pages: Sequence[Page]
    path_prefix: str
    limits: SessionLimits
    lockout: Lockout
    watch: Watch
    invocation: Invocation


class PageEndpoint:
    """The pages of one path, as an ASGI application; without any, 404."""

    def __init__(self, dashboard: Dashboard, pages: Sequence[Page] = ()) -> None:
        self._dashboard = dashboard
        self._pages: Mapping[str, Page] = {page.method: page for page in pages}

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        page = self._pages.get(method)
        note_operation(scope, f"page {page.name}" if page else "none")
        arrival = _Arrival(self._dashboard, scope, page)
        try:
            reply = await self._reply(arrival, receive)
        except ClientDisconnect:
            return
        if isinstance(reply, Streamed):
            await self._stream(send, receive, reply)
        else:
            await _send(send, reply, with_body=scope["method"] != "HEAD")

    async def _stream(self, send: Send, receive: Receive, streamed: "Streamed") -> None:
        """Chunk by chunk, until there are no more or nobody is there to take them."""
        loop, executor = asyncio.get_running_loop(), self._dashboard.services.executor
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send(_start(streamed.reply, ()))
            chunk: bytes | None = streamed.reply.body
            while chunk and not gone.done():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await loop.run_in_executor(executor, next, streamed.chunks, None)
            await send({"type": "http.response.body"})
        finally:
            gone.cancel()

    async def _reply(self, arrival: "_Arrival", receive: Receive) -> "Reply | Streamed":
        try:
            body = await _form_body(arrival, receive, self._dashboard.services.executor)
        except TheodoraError as error:
            body = error
        loop = asyncio.get_running_loop()
        # A page takes some milliseconds, which other requests need not wait for.
        return await loop.run_in_executor(
            self._dashboard.services.executor, arrival.reply, body, request_id_of_task.get()
        )


async def _form_body(arrival: "_Arrival", receive: Receive, executor: Executor) -> bytes:
    if arrival.page is None or arrival.page.method == "GET":
        return b""
    return await read_body(arrival.headers, receive, MAX_FORM_BYTES, executor)


class Streamed(NamedTuple):
    """A reply whose body has only begun."""

    reply: Reply
    chunks: Iterator[bytes]
    """The rest of the body."""


class _Arrival:
    """One request, and what is known of it so far."""

    def __init__(self, dashboard: Dashboard, scope: ASGIScope, page: Page | None) -> None:
        self.page = page
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._started = time.perf_counter()
        self._now_ns = time.time_ns()
        self._dashboard = dashboard
        self._services = dashboard.services
        self._asgi = scope
        self._parameters = QueryParams(scope["query_string"])
        self._cookies = read_cookies(_cookie_header(scope))
        self._new_cookies: list[Cookie] = []
        self._session: Session | None = None
        self._scope = read_scope({}, self._second_ns, prefix=dashboard.path_prefix)

    def reply(self, body: bytes | TheodoraError, request_id: bytes) -> Reply | Streamed:
        """Runs on a thread, and answers whatever happens."""
        try:
            try:
                return self._finished(self._answer(body), self.page)
            except SignInNeeded as error:
                if self._asgi["method"] == "POST":
                    return self._failed(error, request_id)
                return self._finished(SeeOther(self._sign_in_link()), None)
            except Exception as error:  # The last place that can answer.
                return self._failed(error, request_id)
        except Exception:  # Not even the page of the error could be drawn.
            log.exception("unexpected error")
            return Reply(500, b"Something went wrong.\n", "text/plain; charset=utf-8")

    def _answer(self, body: bytes | TheodoraError) -> Answer:
        self._sign_in_again()
        page = self.page
        self._take_quota(page)
        if page is None:
            raise NotFound
        if isinstance(body, TheodoraError):
            raise body
        self._check_permission(page)
        form = ImmutableMultiDict(_fields(body))
        if page.method == "POST" and not self._is_ours(form):
            raise StaleForm
        self._scope = self._read_scope()
        return page.handler(self._visit(form))

    def _sign_in_again(self) -> None:
        """Finds the session of the cookie, and renews it when that is due."""
        secret = self._cookies.get(SESSION_COOKIE, "")
        if not secret:
            return
        sessions = self._services.store.sessions
        session = sessions.find(secret, self._now_ns, self._dashboard.limits)
        self._session = session
        if session is not None:
            self._services.store.keys.note_used(session.key, self._now_ns)
        if session is None:
            self._new_cookies.append(Cookie(SESSION_COOKIE, "", 0))
        elif session.is_due_to_renew(self._now_ns):
            self._renew(session)
        elif session.is_due_to_be_seen(self._now_ns):
            sessions.note_seen(session, self._now_ns)

    def _renew(self, session: Session) -> None:
        """Gives the browser another secret; where that cannot be kept, the one it has is good."""
        renewed = new_session_secret()
        with suppress(ReadOnly):
            if self._services.store.sessions.renew(session, renewed, self._now_ns).result():
                self._new_cookies.append(Cookie(SESSION_COOKIE, renewed))

    def _take_quota(self, page: Page | None) -> None:
        bucket: Bucket = "unauthenticated"
        caller: Any = self._address
        if self._session is not None:
            bucket = "dora_write" if page and page.method == "POST" else "dora_read"
            caller = self._session.key.organisation.key
        if self._services.limiter.take(bucket, caller).exceeded:
            raise TooManyRequests

    def _check_permission(self, page: Page) -> None:
        if page.permission is None:
            return
        if self._session is None:
            raise SignInNeeded
        if page.permission not in self._session.key.permissions:
            raise NotPermitted(page.permission, self._session.key)

    def _is_ours(self, form: ImmutableMultiDict[str, str]) -> bool:
        secret = self._cookies.get(FORM_COOKIE, "")
        return is_form_token(form.get("csrf", ""), secret, self._session)

    def _read_scope(self) -> Scope:
        return read_scope(
            self._parameters,
            self._second_ns,
            prefix=self._dashboard.path_prefix,
            defaults=self._defaults(),
        )

    def _defaults(self) -> Defaults:
        """The search is for production, if the organisation has any."""
        if self._session is None:
            return Defaults()
        settings = self._services.store.settings
        has_production = settings.has_production(self._session.key.organisation)
        return Defaults(query=to_text(Production()) if has_production else "")

    def _visit(self, form: ImmutableMultiDict[str, str]) -> Visit:
        return Visit(
            store=self._services.store,
            session=self._session,
            scope=self._scope,
            path=self._path,
            path_parameters=self._asgi.get("path_params", {}),
            query_parameters=self._parameters,
            form=form,
            preferences=read_preferences(self._cookies),
            origin=f"{self._asgi['scheme']}://{self.headers.get('host', 'localhost')}",
            address=self._address,
            now_ns=self._now_ns,
            limits=self._dashboard.limits,
            lockout=self._dashboard.lockout,
            watch=self._dashboard.watch,
        )

    @property
    def _second_ns(self) -> int:
        """The end of the running second, so that addresses are short and nothing is left out."""
        return -(-self._now_ns // SECOND_NS) * SECOND_NS

    @property
    def _address(self) -> str:
        client = self._asgi.get("client")
        return client[0] if client else ""

    @property
    def _path(self) -> str:
        raw: bytes = self._asgi["raw_path"]
        path = raw.partition(b"?")[0].decode("latin-1").rstrip("/")
        return path.removeprefix(self._dashboard.path_prefix) or "/"

    def _sign_in_link(self) -> str:
        query = self._asgi["query_string"].decode("latin-1")
        back = self._path + (f"?{query}" if query else "")
        return self._scope.link("/sign-in", next=None if back == "/" else back)

    def _failed(self, error: Exception, request_id: bytes) -> Reply | Streamed:
        if isinstance(error, Unavailable):
            log.warning("store unavailable", error=str(error))
        elif not isinstance(error, TheodoraError):
            log.error("unexpected error", exc_info=error)
        if isinstance(error, Invalid) and self._session is not None:
            problem = query_problem(error, self._scope.query)
            if problem is not None:
                values = {"problem": problem}
                return self._finished(View(values, 400, template="query_problem.html"), self.page)
        page = error_page(error, self._dashboard.invocation.command, self._org_flag)
        values = {"error": page, "request_id": request_id.decode("latin-1")}
        return self._finished(View(values, page.status, template="error.html"), self.page)

    def _finished(self, answer: Answer, page: Page | None) -> Reply | Streamed:
        match answer:
            case Stream():
                # What fails does so first, as a rule, and can still be told.
                begun = b"" if self._asgi["method"] == "HEAD" else next(answer.chunks)
                headers = self._headers(_named(answer))
                return Streamed(Reply(200, begun, answer.media_type, headers), answer.chunks)
            case SeeOther():
                return self._redirected(answer)
            case Download():
                return Reply(200, answer.body, answer.media_type, self._headers(_named(answer)))
            case View():
                return self._drawn(answer, page)

    def _redirected(self, answer: SeeOther) -> Reply:
        location = _HEADER_UNSAFE.sub(lambda found: quote(found[0]), answer.location)
        self._new_cookies += answer.cookies
        return Reply(303, b"", None, self._headers(((b"location", location.encode()),)))

    def _drawn(self, view: View, page: Page | None) -> Reply:
        self._new_cookies += view.cookies
        read = time.perf_counter()
        frame = self._frame_values(page, read)
        template = view.template or (page.template if page else "")
        html = render(template, {**frame, **view.values})
        drawn = time.perf_counter()
        timing = f"read;dur={_ms(self._started, read)}, draw;dur={_ms(read, drawn)}"
        more = ((b"server-timing", timing.encode()),)
        return Reply(view.status, html.encode("utf-8", "replace"), _HTML, self._headers(more))

    def _frame_values(self, page: Page | None, read: float) -> Mapping[str, Any]:
        """What every template may use; CONTRIBUTING lists it."""
        visit = self._visit(ImmutableMultiDict())
        return {
            "visit": visit,
            "scope": self._scope,
            "clock": self._scope.clock,
            "link": self._scope.link,
            "asset": self._asset,
            "csrf": self._csrf,
            "place": page.place if page else "",
            "section_tabs": navigation.tabs(self._dashboard.pages, page.place) if page else (),
            "places": navigation.entries(self._dashboard.pages) if self._session else (),
            "version": __version__,
            "program": self._dashboard.invocation.program,
            "command": self._dashboard.invocation.command,
            "org_flag": self._org_flag,
            "serve_https": self._dashboard.invocation.serve_https,
            "read_ms": _ms(self._started, read),
        }

    @property
    def _org_flag(self) -> str:
        """What a command is told to work on this organisation; nothing where it does so anyway."""
        name = self._session.key.organisation.name if self._session else DEFAULT_ORGANISATION
        return "" if name == DEFAULT_ORGANISATION else f" --org {shlex.quote(name)}"

    def _asset(self, name: str) -> str:
        return self._scope.href(f"/static/{assets()[name].name}")

    def _csrf(self) -> Markup:
        """The hidden field that every form that POSTs has to hold."""
        secret = next(
            (cookie.value for cookie in self._new_cookies if cookie.name == FORM_COOKIE),
            self._cookies.get(FORM_COOKIE, ""),
        )
        if not secret:
            secret = new_form_secret()
            self._new_cookies.append(Cookie(FORM_COOKIE, secret))
        token = form_token(secret, self._session)
        return Markup('<input type="hidden" name="csrf" value="{}">').format(token)

    def _headers(self, more: tuple[Header, ...] = ()) -> tuple[Header, ...]:
        is_secure = self._asgi["scheme"] == "https"
        cookies = (
            (
                b"set-cookie",
                set_cookie(cookie, self._dashboard.path_prefix, is_secure=is_secure).encode(),
            )
            for cookie in self._new_cookies
        )
        kept = (b"cache-control", b"private, no-cache")
        return (*_SECURITY_HEADERS, kept, *cookies, *more)


async def _disconnected(receive: Receive) -> None:
    """Waits until the client is gone; a body that it sends meanwhile is read and dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _cookie_header(scope: ASGIScope) -> str:
    """All cookies in one line: HTTP/2 sends them apart, and not every proxy joins them again."""
    lines = (value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    return "; ".join(lines)


def _fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form; none where it is not one."""
    try:
        text = body.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return []


def _named(answer: Download | Stream) -> tuple[Header, ...]:
    if answer.filename is None:
        return ()
    disposition = f"attachment; filename*=UTF-8''{quote(answer.filename)}"
    return ((b"content-disposition", disposition.encode()),)


def _ms(since: float, until: float) -> str:
    return f"{(until - since) * 1000:.1f}"


class AssetEndpoint:
    """Static files by the names that have their fingerprints, as an ASGI application."""

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        note_operation(scope, "static")
        asset = assets_by_name().get(scope["path_params"]["name"])
        if asset is None or scope["method"] not in {"GET", "HEAD"}:
            reply = Reply(404, b"not found\n", "text/plain; charset=utf-8", _SECURITY_HEADERS)
        else:
            kept = (b"cache-control", b"public, max-age=31536000, immutable")
            reply = Reply(200, asset.body, asset.media_type, (*_SECURITY_HEADERS, kept))
        await _send(send, reply, with_body=scope["method"] != "HEAD")


async def _send(send: Send, reply: Reply, *, with_body: bool) -> None:
    await send(_start(reply, ((b"content-length", b"%d" % len(reply.body)),)))
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


def _start(reply: Reply, more: tuple[Header, ...]) -> Message:
    headers = [*reply.headers, *more]
    if reply.media_type:
        headers.append((b"content-type", reply.media_type.encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}
