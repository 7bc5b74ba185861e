"""One request for a page: its session, limit, origin, permission, scope and form.

These are checked here, once for all pages; then the page's handler answers.
"""

import shlex
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict, QueryParams
from starlette.types import Scope as ASGIScope

from theodora.errors import NotFound, TheodoraError, TooManyRequests
from theodora.events.values import SECOND_NS
from theodora.query import Kind
from theodora.report.invocation import DEFAULT_ORGANISATION, Invocation
from theodora.report.scope import (
    COLUMNS,
    Defaults,
    Scope,
    column_names,
    dashboard_defaults,
    read_scope,
)
from theodora.storage import Session, SessionLimits
from theodora.storage.access.permissions import READ
from theodora.storage.access.sessions import SignInPlace
from theodora.web.http.asgi import address_of, headers_of
from theodora.web.http.endpoint import ServerContext
from theodora.web.http.listeners import EVENT_STREAM, Listener, Listeners
from theodora.web.http.rate_limit import Bucket
from theodora.web.http.security import refuse_if_deleted
from theodora.web.oidc.client import SignInProviders
from theodora.web.pages.shell.browser_family import browser_family
from theodora.web.pages.shell.cookies import (
    SESSION_COOKIE,
    own_cookies,
    read_preferences,
)
from theodora.web.pages.shell.health_badge import HealthMonitor
from theodora.web.pages.shell.page import (
    Answer,
    ChangeStream,
    Cookie,
    CrossOrigin,
    Download,
    NotPermitted,
    Page,
    SignInNeeded,
    Stream,
    Visit,
)
from theodora.web.pages.shell.proxy_sign_in import ProxySignIn
from theodora.web.pages.shell.recent_sessions import RecentSessions
from theodora.web.pages.shell.same_origin import is_same_origin
from theodora.web.pages.shell.session import resume_session
from theodora.web.pages.shell.sharing import SHARED_PATH, SharedPage, open_link
from theodora.web.pages.shell.sign_in_lockout import Lockout

T = TypeVar("T")

_MAX_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The dependencies of pages."""

    services: ServerContext
    pages: Sequence[Page]
    path_prefix: str
    limits: SessionLimits
    lockout: Lockout
    watch: HealthMonitor
    recent_sessions: RecentSessions
    invocation: Invocation
    providers: SignInProviders
    proxy: ProxySignIn | None
    """None where no proxy signs people in."""
    share_links: bool
    """Whether pages can be shared."""
    listeners: Listeners


class PageRequest:
    """One request, with what is known about it so far."""

    def __init__(self, dashboard: Dashboard, scope: ASGIScope, page: Page | None) -> None:
        self.dashboard = dashboard
        self.page = page
        self.is_by_link = page is not None and page.path == SHARED_PATH
        self.shared: SharedPage | None = None
        self._asgi = scope
        self.headers = headers_of(scope)
        self.cookies = own_cookies(
            _cookie_header(scope), dashboard.path_prefix, is_secure=self.is_secure
        )
        self.new_cookies: list[Cookie] = []
        self.session: Session | None = None
        self._is_admitted = False
        self._exported = ""
        self.started = time.perf_counter()
        self._now_ns = time.time_ns()
        self._parameters = QueryParams(scope["query_string"])
        self.scope = read_scope({}, self._second_ns, prefix=dashboard.path_prefix)

    @property
    def is_head(self) -> bool:
        return self._asgi["method"] == "HEAD"

    @property
    def is_form(self) -> bool:
        return self.page is not None and self.page.method == "POST"

    @property
    def is_secure(self) -> bool:
        return self._asgi["scheme"] == "https"

    @property
    def address(self) -> str:
        return address_of(self._asgi)

    @property
    def caller(self) -> Hashable:
        """Whose turn on the threads the page takes: the organisation's, else the address's.

        The provider's, if one is asked.
        """
        if self.asks_provider:
            return self._asgi["path_params"]["provider"]
        found = self.dashboard.recent_sessions.organisation(self._secret)
        return self.address if found is None else found

    @property
    def asks_provider(self) -> bool:
        return self.page is not None and self.page.asks_provider

    @property
    def is_download(self) -> bool:
        return self.page is not None and self.page.is_download

    def at_one_moment(self, work: Callable[[], T]) -> T:
        """Runs `work`; a page that only reads shows one snapshot of the store."""
        reads_only = (
            self.page is not None and self.page.method == "GET" and not self.page.asks_provider
        )
        proxy = self.dashboard.proxy
        is_proxied = proxy is not None and proxy.is_named(self.headers)
        if reads_only and (self.is_by_link or SESSION_COOKIE in self.cookies or is_proxied):
            return self.dashboard.services.store.at_one_moment(work)
        return work()

    def answer(self, body: bytes | TheodoraError) -> Answer:
        """Checks the request and runs the page's handler; `body` is the form or why it has none."""
        if not self._is_admitted:
            # Once: a page that a write overtakes begins again.
            if self.is_by_link:
                self._open_link()
            else:
                self._resume_session()
            self._take_quota()
            self._is_admitted = True
        page = self.page
        if page is None:
            raise NotFound
        if self.is_form and not is_same_origin(self.headers):
            raise CrossOrigin
        if isinstance(body, TheodoraError):
            raise body
        try:
            self._check_permission(page)
            self.scope = self._read_scope()
            answer = self._changes(page) or page.handler(
                self.visit(ImmutableMultiDict(_fields(body)))
            )
        except NotPermitted as error:
            self._record_refusal(page, error)
            raise
        if isinstance(answer, Download | Stream):
            self._exported = answer.filename or ""
        return answer

    def _changes(self, page: Page) -> ChangeStream | None:
        """What a listener gets instead of the page; None for who wants the page."""
        is_wanted = page.is_live and self.headers.get("accept") == EVENT_STREAM
        if not is_wanted or self.session is None:
            return None
        principal = self.session.principal
        who = self.shared.link.id if self.shared else (principal.actor.kind, principal.actor.id)
        return ChangeStream(Listener(principal.organisation, who, self.address))

    def record_export(self) -> None:
        """Records the file that the answer is, if it is one; waits until that is durable.

        Raises `Unavailable` if it cannot be recorded: no file leaves the server without an entry.
        """
        if not self._exported or self.is_head or self.session is None:
            return
        principal = self.session.principal
        self.dashboard.services.store.audit.note(
            principal.organisation,
            "data.exported",
            self._exported,
            after=dict(self._parameters),
            actor=principal.actor.at(self.address),
        ).result()

    def visit(self, form: ImmutableMultiDict[str, str]) -> Visit:
        return Visit(
            store=self.dashboard.services.store,
            session=self.session,
            scope=self.scope,
            path=self._path,
            path_parameters=(
                self.shared.path_parameters if self.shared else self._asgi.get("path_params", {})
            ),
            query_parameters=self._parameters,
            form=form,
            preferences=read_preferences(self.cookies),
            origin=f"{self._asgi['scheme']}://{self.headers.get('host', 'localhost')}",
            address=self.address,
            browser=self._browser,
            now_ns=self._now_ns,
            limits=self.dashboard.limits,
            lockout=self.dashboard.lockout,
            watch=self.dashboard.watch,
            cookies=self.cookies,
            providers=self.dashboard.providers,
            may_share=self.dashboard.share_links,
            share_link=self.shared.link if self.shared else None,
        )

    @property
    def sign_in_link(self) -> str:
        """The page to sign in at, which leads back here."""
        back = self.target
        return self.scope.link("/sign-in", next=None if back == "/" else back)

    @property
    def target(self) -> str:
        """The path and the query, as they came."""
        query = self._asgi["query_string"].decode("latin-1")
        return self._path + (f"?{query}" if query else "")

    @property
    def org_flag(self) -> str:
        """The flag that makes a command work on this organisation; empty for the default one."""
        name = self.session.principal.organisation.name if self.session else DEFAULT_ORGANISATION
        return "" if name == DEFAULT_ORGANISATION else f" --org {shlex.quote(name)}"

    def _resume_session(self) -> None:
        store, secret = self.dashboard.services.store, self._secret
        self.session, cookies = resume_session(
            store,
            secret,
            self.address,
            self._now_ns,
            self.dashboard.limits,
            takes_keys=self.dashboard.providers.takes_keys,
        )
        self.new_cookies += cookies
        if self.session is None and self.dashboard.proxy is not None:
            place = SignInPlace(self.address, self._browser)
            self.session = self.dashboard.proxy.session(store, self._asgi, place, self._now_ns)
        elif self.session is not None:
            self.dashboard.recent_sessions.note(secret, self.session.principal.organisation.key)

    def _open_link(self) -> None:
        """Whoever is signed in sees the same as everybody else."""
        if not self.dashboard.share_links:
            return
        store, secret = self.dashboard.services.store, self._asgi["path_params"]["secret"]
        self.shared = open_link(store, self.dashboard.pages, secret, self._now_ns)
        if self.shared is not None:
            self.page = self.shared.page
            self.session = self.shared.session(self._now_ns)
            self._parameters = self.shared.query_parameters

    def _take_quota(self) -> None:
        bucket: Bucket = "unauthenticated"
        caller: Any = self.address
        if self.session is not None:
            bucket = "dora_write" if self.is_form else "dora_read"
            caller = self.session.principal.organisation.key
        if self.dashboard.services.limiter.take(bucket, caller).exceeded:
            raise TooManyRequests

    def _check_permission(self, page: Page) -> None:
        if page.permission is None:
            return
        if self.session is None:
            raise SignInNeeded
        if not page.stays_open:
            refuse_if_deleted(self.session.principal)
        # A form that is answered with its page shows what is on the page.
        for permission in (page.permission, READ):
            if not self.session.principal.may(permission):
                raise NotPermitted(permission, self.session.principal)

    def _record_refusal(self, page: Page, error: NotPermitted) -> None:
        self.dashboard.services.store.audit.refuse(
            error.principal.organisation,
            "permission.refused",
            f"{page.method} {page.path}",
            error.reason,
            self._now_ns,
            actor=error.principal.actor.at(self.address),
        )

    def _read_scope(self) -> Scope:
        named = self._parameters.getlist(COLUMNS)
        return read_scope(
            self._parameters,
            self._second_ns,
            prefix=self.dashboard.path_prefix,
            defaults=self._defaults(),
            kind=self._kind,
            path=self._path,
            columns=",".join(column_names(named)) if named else None,
        )

    def _defaults(self) -> Defaults:
        """The search is for production, if the organisation has any."""
        if self.session is None or not self.session.principal.may(READ):
            return Defaults()
        if self._kind is Kind.PULL_REQUEST:
            # Open requests are in no environment.
            return Defaults()
        store = self.dashboard.services.store
        return dashboard_defaults(store, self.session.principal.organisation)

    @property
    def _kind(self) -> Kind:
        is_of_requests = self.page is not None and self.page.place == "pull_requests"
        return Kind.PULL_REQUEST if is_of_requests else Kind.DEPLOYMENT

    @property
    def _browser(self) -> str:
        return browser_family(self.headers.get("user-agent", ""))

    @property
    def _secret(self) -> str:
        """The secret of the session; empty without one."""
        return self.cookies.get(SESSION_COOKIE, "")

    @property
    def _second_ns(self) -> int:
        """The end of the running second, so that addresses are short and nothing is left out."""
        return -(-self._now_ns // SECOND_NS) * SECOND_NS

    @property
    def _path(self) -> str:
        if self.shared is not None:
            return self.shared.link.path
        raw: bytes = self._asgi["raw_path"]
        path = raw.partition(b"?")[0].decode("latin-1").rstrip("/")
        return path.removeprefix(self.dashboard.path_prefix) or "/"


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
