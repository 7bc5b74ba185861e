"""Every operation and page, asked for as every kind of caller, and the page that lists them.

When docs/permissions.md lags, write it again: PYTHONPATH=tests .venv/bin/python THIS_FILE
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple, TypeVar

from starlette.routing import BaseRoute, Mount, Route, Router

from actors import TESTER
from asking import BARE, Tenant
from databases import ON_SQLITE
from test_commands_page import commands
from theodora.cli import main
from theodora.query.reference import code, table, with_tables
from theodora.storage import Key, PersonIdentity, SessionLimits, WebhookSource
from theodora.storage.access.key_limits import NO_LIMITS, KeyLimits
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.permissions import INGEST, READ, ROLES, WRITE
from theodora.storage.access.principals import Principal, key_principal, person_principal
from theodora.storage.access.sessions import new_session_secret
from theodora.storage.engine.actor import Actor
from theodora.web.api.routes import OPERATIONS
from theodora.web.api.security_contact import SECURITY_PATH
from theodora.web.http.operations import Operation
from theodora.web.http.security import Credential
from theodora.web.mcp.routes import mcp_operations
from theodora.web.pages.routes import PAGES
from theodora.web.pages.shell.cookies import SESSION_COOKIE
from theodora.web.pages.shell.page import Page
from visiting import Browser

EVERY_OPERATION: tuple[Operation, ...] = (*OPERATIONS, *mcp_operations("", ""))
DOCUMENT = Path(__file__).parents[2] / "docs" / "permissions.md"

T = TypeVar("T")
Permissions = frozenset[str]
NOTHING: Permissions = frozenset()
EVERYTHING: Permissions = frozenset(PERMISSIONS_OF["application"])


class OpenRoute(NamedTuple):
    """A path outside of the tables of operations and pages, which asks nobody who they are."""

    path: str
    about: str


OPEN: tuple[OpenRoute, ...] = (
    OpenRoute("/healthz", "whether the server runs"),
    OpenRoute("/readyz", "whether it can answer"),
    OpenRoute("/metrics", "metrics of the server, with the number of all events"),
    OpenRoute("/openapi.json", "the description of the API"),
    OpenRoute("/static/{name}", "styles and scripts of pages"),
    OpenRoute(SECURITY_PATH, "where to report a vulnerability, or 404 without `security_contact`"),
    OpenRoute("/api/v1/{rest:path}", "404, as Datadog answers where it has no such path"),
)


@dataclass(frozen=True)
class Caller:
    """Who asks, with what opens something; `headers` and `cookie` are what the request shows."""

    name: str
    has_api_key: bool = False
    is_limited: bool = False
    key: Permissions = NOTHING
    """Of a valid application key in the headers."""
    session: Permissions = NOTHING
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cookie: str = ""


def may_ask(caller: Caller, operation: Operation) -> bool:
    match operation.access.credential:
        case Credential.API_KEY:
            return caller.has_api_key and not (caller.is_limited and operation.sends is not None)
        case Credential.BOTH_KEYS:
            permission = operation.access.permission
            return bool(caller.key) and (permission is None or permission in caller.key)
        case _:
            return False


def may_open(caller: Caller, page: Page) -> bool:
    return page.permission is None or {page.permission, READ} <= caller.session


class Cast:
    """Makes callers of one organisation, each with keys and sessions of its own."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._store = tenant.built.store
        self._now_ns = time.time_ns()

    def key(
        self,
        kind: KeyKind,
        permissions: Permissions = EVERYTHING,
        limits: KeyLimits = NO_LIMITS,
        expires_at_ns: int | None = None,
    ) -> tuple[Key, str]:
        secret = new_secret(kind)
        added = self._store.keys.add(
            self.tenant.organisation,
            kind,
            secret,
            name="",
            permissions=permissions if kind == "application" else frozenset({INGEST}),
            limits=limits,
            expires_at_ns=expires_at_ns,
            now_ns=self._now_ns - 10,
            actor=TESTER,
        )
        return added.result(), secret

    def api_key(self, limits: KeyLimits = NO_LIMITS) -> dict[str, str]:
        return {"DD-API-KEY": self.key("api", limits=limits)[1]}

    def both_keys(self, permissions: Permissions) -> dict[str, str]:
        return {**self.api_key(), "DD-APPLICATION-KEY": self.key("application", permissions)[1]}

    def session(self, principal: Principal) -> str:
        secret, limits = new_session_secret(), SessionLimits(10**18, 10**18)
        self._store.sessions.add(principal, secret, self._now_ns, limits, actor=TESTER).result()
        return secret

    def person(self, name: str, role: str, *, is_disabled: bool = False) -> str:
        """The cookie of one who has signed in."""
        people, identity = self._store.people, PersonIdentity("https://id.example", name, name)
        person = people.sign_in(
            *(self.tenant.organisation, identity, role, self._now_ns),
            may_create=True,
            actor=TESTER,
        ).result()
        cookie = self.session(person_principal(person))
        if is_disabled:
            people.disable(person.organisation, person.id, self._now_ns, actor=TESTER).result()
        return cookie

    def revoked(self) -> Caller:
        keys = {kind: self.key(kind) for kind in ("api", "application")}
        cookie = self.session(key_principal(keys["application"][0]))
        for key, _ in keys.values():
            self._store.keys.revoke(
                self.tenant.organisation, key.id, self._now_ns, actor=TESTER
            ).result()
        headers = {f"DD-{kind}-KEY": secret for kind, (_, secret) in keys.items()}
        return Caller("revoked keys", headers=headers, cookie=cookie)

    def expired(self) -> Caller:
        keys = {
            kind: self.key(kind, expires_at_ns=self._now_ns - 1) for kind in ("api", "application")
        }
        cookie = self.session(key_principal(keys["application"][0]))
        headers = {f"DD-{kind}-KEY": secret for kind, (_, secret) in keys.items()}
        return Caller("expired keys", headers=headers, cookie=cookie)

    def callers(self) -> Iterator[Caller]:
        """Nobody twice: each kind has what it needs and nothing of the others."""
        yield Caller("nobody")
        unknown = {"DD-API-KEY": "0" * 40, "DD-APPLICATION-KEY": "1" * 40}
        yield Caller("unknown keys", headers=unknown, cookie=new_session_secret())
        yield self.revoked()
        yield self.expired()
        yield Caller("API key", has_api_key=True, headers=self.api_key())
        limited = self.api_key(KeyLimits(services=("another",)))
        yield Caller("limited API key", has_api_key=True, is_limited=True, headers=limited)
        bearer = f"Bearer {self.key('application')[1]}"
        yield Caller("bearer token", key=EVERYTHING, headers={"Authorization": bearer})
        for name, those in (*((role.name, role.permissions) for role in ROLES), ("write", {WRITE})):
            permissions = frozenset(those)
            yield Caller(
                f"keys of {name}",
                has_api_key=True,
                key=permissions,
                headers=self.both_keys(permissions),
            )
            cookie = self.session(key_principal(self.key("application", permissions)[0]))
            yield Caller(f"session of a key of {name}", session=permissions, cookie=cookie)
        for role in ROLES:
            cookie = self.person(role.name, role.name)
            yield Caller(f"person: {role.name}", session=role.permissions, cookie=cookie)
        yield Caller("switched off", cookie=self.person("off", "owner", is_disabled=True))


BODIES: Mapping[str | None, Any] = {
    "deployments": {"data": {"attributes": BARE}},
    "failures": {
        "data": {"attributes": {"services": ["shopist"], "started_at": 1693491974, "name": "down"}}
    },
}
"""What is sent where a limit is compared with the event; elsewhere an empty document will do."""
REFUSED = {Credential.SIGNATURE: 401, Credential.BADGE: 404}
"""Statuses of those who are not let in, other than 403."""


def answer_of(tenant: Tenant, operation: Operation, source: WebhookSource, caller: Caller) -> int:
    path = operation.paths[0]
    if operation.access.credential is Credential.SIGNATURE:
        path = path.replace("{source}", source.kind).replace("{id}", source.id)
    body = BODIES.get(operation.sends, {}) if operation.media_types else None
    cookie = {"Cookie": f"{SESSION_COOKIE}={caller.cookie}"} if caller.cookie else {}
    answer = tenant.client.request(
        operation.method, path, headers={**caller.headers, **cookie}, json=body
    )
    return answer.status_code


def is_turned_away(browser: Browser, page: Page, caller: Caller, form: Mapping[str, str]) -> bool:
    browser.client.cookies.clear()
    if caller.cookie:
        browser.client.cookies.set(SESSION_COOKIE, caller.cookie)
    answer = browser.client.request(
        page.method,
        page.path.replace("{service:path}", "shopist"),
        headers={**caller.headers, "Sec-Fetch-Site": "same-origin"},
        data=form if page.method == "POST" else None,
        follow_redirects=False,
    )
    assert answer.status_code < 429, (page.path, caller.name, answer.status_code)
    if caller.session:
        return answer.status_code == 403
    is_sent_away = answer.headers.get("location", "").startswith("/sign-in")
    return answer.status_code == 401 or (page.method == "GET" and is_sent_away)


@ON_SQLITE
def test_every_operation_answers_every_caller_as_its_row_says(tenant: Tenant) -> None:
    org = tenant.built.store.keys.organisation(tenant.organisation)
    source = tenant.built.store.sources.add(org, "github", "", "{}", 1, actor=TESTER).result()
    wrong: list[tuple[str, str, int]] = []
    callers = [
        each
        for each in Cast(tenant).callers()
        if each.headers or each.name in {"nobody", "person: owner"}
    ]
    for caller, operation in product(callers, EVERY_OPERATION):
        status = answer_of(tenant, operation, source, caller)
        refused = REFUSED.get(operation.access.credential, 403)
        is_right = (
            status < 429 and status not in {401, 403}
            if may_ask(caller, operation)
            else status == refused
        )
        if not is_right:
            wrong.append((operation.name, caller.name, status))
    assert wrong == []


@ON_SQLITE
def test_every_page_answers_every_caller_as_its_row_says(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    # A key that is good, for the sign-in: wrong ones would make everybody wait.
    form = {"key": tenant.keys["DD-APPLICATION-KEY"]}
    # Last those that end the session: signing in and signing out.
    pages = sorted(PAGES, key=lambda page: page.permission is None)
    wrong = [
        (page.method, page.path, caller.name)
        for caller in Cast(tenant).callers()
        if caller.cookie or caller.name in {"nobody", "keys of owner"}
        for page in pages
        if is_turned_away(browser, page, caller, form) == may_open(caller, page)
    ]
    assert wrong == []


@ON_SQLITE
def test_every_route_has_a_row(tenant: Tenant) -> None:
    """A route that is added past the tables is seen by nobody who reads them."""
    rows = {path for operation in EVERY_OPERATION for path in operation.paths}
    rows |= {page.path for page in PAGES} | {row.path for row in OPEN}
    app: Any = tenant.client.app
    while not isinstance(app, Router):
        app = vars(app).get("_app") or vars(app)["_router"]
    assert set(_paths(app.routes)) == rows
    for row in OPEN[:4]:
        assert tenant.client.get(row.path).status_code == 200


def _paths(routes: list[BaseRoute]) -> Iterator[str]:
    for each in routes:
        if isinstance(each, Mount):
            yield from _paths(each.routes)
        else:
            assert isinstance(each, Route)
            yield each.path


def written() -> str:
    """The page with its tables."""
    roles = tuple(role.name for role in ROLES)
    callers = [
        Caller("API key", has_api_key=True),
        Caller("limited key", has_api_key=True, is_limited=True),
        *(Caller(role.name, has_api_key=True, key=role.permissions) for role in ROLES),
    ]
    operations = (
        (
            code(*(f"{operation.method} {path}" for path in operation.paths)),
            _needs(operation.access.permission) or operation.access.credential.value,
            *_cells(operation, callers, may_ask),
        )
        for operation in EVERY_OPERATION
    )
    people = [Caller(""), *(Caller(role.name, session=role.permissions) for role in ROLES)]
    pages = (
        (
            code(f"{page.method} {page.path}"),
            _needs(page.permission),
            *_cells(page, people, may_open),
        )
        for page in PAGES
    )
    writing = [
        code(f"theodora {name}" if not name.startswith("theodora") else name)
        for name, command in commands(main, "theodora")
        if isinstance(command.callback, FunctionType) and _writes(command.callback, set())
    ]
    return with_tables(
        DOCUMENT.read_text(),
        {
            "operations": table(
                ("operation", "needs", "API key", "limited key", *roles), operations
            ),
            "pages": table(("page", "needs", "not signed in", *roles), pages),
            "open": table(
                ("path", "what it answers"), ((code(row.path), row.about) for row in OPEN)
            ),
            "commands": "\n".join(f"- {each}" for each in writing),
        },
    )


def _needs(permission: str | None) -> str:
    return code(permission) if permission else ""


def _cells(row: T, callers: list[Caller], may: Callable[[Caller, T], bool]) -> Iterator[str]:
    yield from ("yes" if may(caller, row) else "" for caller in callers)


def _writes(function: FunctionType, seen: set[str]) -> bool:
    """Whether it, or what it calls in the modules of commands, makes the actor of a write."""
    own: Any = getattr(function, "__wrapped__", function)
    for name in _names(own.__code__) - seen:
        seen.add(name)
        value = own.__globals__.get(name)
        if value is Actor or isinstance(value, Actor):
            return True
        is_ours = isinstance(value, FunctionType) and value.__module__.startswith("theodora.cli")
        if is_ours and _writes(value, seen):
            return True
    return False


def _names(code_: CodeType) -> set[str]:
    inner = (each for each in code_.co_consts if isinstance(each, CodeType))
    return set(code_.co_names).union(*map(_names, inner))


def test_the_page_says_what_the_tables_say() -> None:
    assert DOCUMENT.read_text() == written()


if __name__ == "__main__":
    DOCUMENT.write_text(written())
