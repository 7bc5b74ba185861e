"""Pages: rows of the page table, with the input and output of their handlers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.datastructures import ImmutableMultiDict, QueryParams

from theodora.errors import TheodoraError
from theodora.report.scope import Scope
from theodora.storage import Organisation, Principal, Session, SessionLimits, Store
from theodora.storage.access.permissions import READ, WRITE, WRITE_SETTINGS
from theodora.storage.access.share_links import ShareLink
from theodora.storage.engine.actor import Actor
from theodora.web.http.listeners import Listener
from theodora.web.oidc.client import SignInProviders
from theodora.web.pages.shell.health_badge import Attention, HealthMonitor
from theodora.web.pages.shell.sign_in_lockout import Lockout

Method = Literal["GET", "POST"]
Theme = Literal["", "light", "dark"]


class NotPermitted(TheodoraError):
    """Who is signed in lacks a permission."""

    def __init__(self, permission: str, principal: Principal) -> None:
        super().__init__(f'"{principal.name}" lacks the permission {permission}')
        self.permission = permission
        self.principal = principal

    @property
    def reason(self) -> str:
        """For the audit log, after who it was."""
        return f"it lacks {self.permission}"


class NotOfTeam(NotPermitted):
    """Who is signed in may change events of other teams only."""

    def __init__(self, team: str | None, principal: Principal) -> None:
        super().__init__(WRITE, principal)
        self.team = team
        """Of the event; None for one without a team."""

    @property
    def reason(self) -> str:
        return f'it may not change events of the team "{self.team or ""}"'


class KeyIsLimited(NotPermitted):
    """The key signed in with expires or has addresses, and what it makes would not."""

    def __init__(self, principal: Principal) -> None:
        super().__init__(WRITE_SETTINGS, principal)

    @property
    def reason(self) -> str:
        return "it is limited in time or place, and what it makes would not be"


class SignInNeeded(TheodoraError):
    """A page that needs a session."""


class CrossOrigin(TheodoraError):
    """A form that a page of another server has sent."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a person, kept by the browser."""

    theme: Theme = ""
    """Empty: as the system has it."""
    single_keys: bool = True
    """Whether a single key, outside fields, is a shortcut (WCAG 2.1.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The input of a page's handler, checked except for the page's own parameters."""

    store: Store
    session: Session | None
    scope: Scope
    path: str
    """Without the prefix; quoted as it came."""
    path_parameters: Mapping[str, str]
    query_parameters: QueryParams
    form: ImmutableMultiDict[str, str]
    """Of a POST, sent by a page of this server."""
    preferences: Preferences
    origin: str
    """`https://dora.example.org`, as the browser sees this server."""
    address: str
    browser: str
    """Its family and the system's; empty if they are not known."""
    now_ns: int
    limits: SessionLimits
    lockout: Lockout
    watch: HealthMonitor
    cookies: Mapping[str, str]
    """Those of this server, by name."""
    providers: SignInProviders
    may_share: bool
    """Whether this server has share links."""
    share_link: ShareLink | None
    """That opened the page; None for people and keys."""

    @property
    def principal(self) -> Principal:
        """Who is signed in, on pages that need that."""
        assert self.session is not None, "a page without a permission has no session"
        return self.session.principal

    @property
    def organisation(self) -> Organisation:
        return self.principal.organisation

    @property
    def actor(self) -> Actor:
        """Who asks for what the page writes."""
        return self.principal.actor.at(self.address)

    @property
    def attention(self) -> Attention:
        """Problems of the organisation's data; empty without a session that may read it."""
        if not self.may(READ):
            return Attention()
        return self.watch.of(self.store, self.organisation, self.now_ns)

    def may(self, permission: str) -> bool:
        return self.session is not None and self.session.principal.may(permission)

    def require(self, permission: str) -> None:
        """Raises `NotPermitted`."""
        if not self.may(permission):
            raise NotPermitted(permission, self.principal)

    def may_write(self, team: str | None) -> bool:
        """Whether events of this team, or without one, may be changed."""
        return self.session is not None and self.session.principal.may_write(team)

    def require_team(self, team: str | None) -> None:
        """Raises `NotOfTeam` unless events of this team, or without one, may be changed."""
        if not self.may_write(team):
            raise NotOfTeam(team, self.principal)

    def team_of(self, service: str, team: str) -> str | None:
        """The team itself, or that of the service in the settings; None without either."""
        if team or not service:
            return team or None
        return self.store.settings.teams(self.organisation).get(service)

    def back_to(self, next_: str) -> str:
        """The location of `next_` if it is a path of this dashboard, else of the overview."""
        is_path = next_.startswith("/") and not next_.startswith(("//", "/\\"))
        return (
            self.scope.prefix + next_ if is_path and next_.isprintable() else self.scope.href("/")
        )

    @property
    def url(self) -> str:
        """The URL of this server with its prefix, for clients."""
        return self.origin + self.scope.prefix


@dataclass(frozen=True, slots=True)
class Cookie:
    """Set for the path prefix, HttpOnly, SameSite=Lax, and Secure wherever the page was."""

    name: str
    value: str
    max_age_sec: int | None = None
    """None: until the browser is closed; 0: it goes at once."""


@dataclass(frozen=True, slots=True)
class View:
    """Values for the page's template."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: int = 200
    cookies: tuple[Cookie, ...] = ()
    template: str | None = None
    """Another than the page's own."""


@dataclass(frozen=True, slots=True)
class SeeOther:
    """303: after a POST, or to what was looked for."""

    location: str
    """As `Scope.link` makes it."""
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True)
class Download:
    """An answer other than a page: a table as CSV, an answer to the script."""

    body: bytes
    media_type: str
    filename: str | None = None
    """Kept under this name by the browser, where there is one."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A download of any length, made while it is being sent."""

    chunks: Iterator[bytes]
    """At least one. Each is asked for on a thread, and none once nobody is there any more."""
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class ChangeStream:
    """Events that report when the page would be another, for as long as a client listens."""

    listener: Listener


Answer = View | SeeOther | Download | Stream | ChangeStream
Section = Literal[
    "overview",
    "now",
    "deployments",
    "failures",
    "pull_requests",
    "data_health",
    "settings",
    "",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One row of the page table: the page at a path, for a method."""

    name: str
    path: str
    handler: Callable[[Visit], Answer]
    template: str = ""
    """Empty where the handler never returns a `View` of its own."""
    method: Method = "GET"
    permission: str | None = READ
    """Of who is signed in; None: for everybody, signed in or not."""
    stays_open: bool = False
    """Whether it is there also for an organisation that is to be deleted."""
    asks_provider: bool = False
    """Whether it asks a sign-in provider, which may take a while, and writes what follows."""
    is_live: bool = False
    """Whether its address also answers with server-sent events, to who accepts nothing else."""
    place: Section = ""
    """Its section in the navigation."""
    tab: str = ""
    """Its label among the tabs of its section; empty for a page without a tab."""

    @property
    def is_download(self) -> bool:
        """Whether it answers with a file of as many rows as there are."""
        return self.path.endswith(".csv")
