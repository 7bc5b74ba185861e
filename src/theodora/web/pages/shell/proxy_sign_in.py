"""Signing in by the headers of a proxy that knows who is signed in.

Each request counts by its own headers: the proxy keeps the session, and one of ours would only
outlive it. The headers count only if the proxy itself has sent them, from an address that is
trusted; anybody else could write them too.
"""

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import structlog
from starlette.types import Scope

from theodora.errors import BeingDeleted, NotFound, ReadOnly, SignInRefused, UnusableSetting
from theodora.storage import Person, PersonIdentity, Session, Store
from theodora.storage.access.people import name_on_a_line
from theodora.storage.access.permissions import ROLES
from theodora.storage.access.principals import person_principal
from theodora.storage.access.role_mapping import (
    GrantedRole,
    MappedGroup,
    organisations_left,
    role_of,
)
from theodora.storage.access.sessions import SEEN_EVERY_NS, SignInPlace, passing_session
from theodora.storage.engine.actor import Actor
from theodora.web.http.asgi import headers_of, peer_of

log = structlog.get_logger()

ISSUER = "proxy"
"""The issuer of people whom a proxy vouches for."""
MAX_SUBJECT = 255
_LOGGED_EVERY_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Which proxies sign people in, and how. Names of headers are in lower case, or empty."""

    proxies: Sequence[str]
    user_header: str
    name_header: str
    email_header: str
    groups_header: str
    roles: Sequence[MappedGroup]
    may_sign_up: bool
    """Whether the first request of a person creates the person."""

    @property
    def headers(self) -> Collection[str]:
        named = (self.user_header, self.name_header, self.email_header, self.groups_header)
        return {name for name in named if name}


class ProxySignIn:
    """Finds out whom a trusted proxy vouches for."""

    def __init__(self, settings: ProxySettings) -> None:
        """Raises `UnusableSetting` for settings that let in anybody, or nobody."""
        if not settings.proxies or "*" in settings.proxies:
            raise UnusableSetting(
                "auth_proxy_user_header needs trusted_proxies with the addresses of the proxies: "
                "anybody else could write the header"
            )
        if not settings.roles:
            raise UnusableSetting(
                "auth_proxy_user_header needs auth_proxy_roles, for example *=viewer: without it "
                "nobody could sign in"
            )
        self._settings = settings
        self._networks = [ip_network(proxy) for proxy in settings.proxies]
        self._lock = threading.Lock()
        self._ignored = 0
        self._logged_at = float("-inf")

    def is_named(self, headers: Mapping[str, str]) -> bool:
        """Whether a request says who is signed in, truly or not."""
        return self._settings.user_header in headers

    def session(
        self, store: Store, scope: Scope, place: SignInPlace, now_ns: int
    ) -> Session | None:
        """A session for this request alone; None if no trusted proxy says who is signed in.

        Raises `SignInRefused` for a person who is not let in, and for headers that are unclear.
        """
        if not self.is_named(headers_of(scope)):
            return None
        if not self._is_trusted(peer_of(scope)):
            self._ignore(peer_of(scope))
            return None
        actor = Actor("person", "")
        try:
            identity, groups = self._identity(scope)
            if identity is None:
                return None
            actor = identity.actor
            self._leave_others(store, identity, groups, place.address)
            person = self._person(store, identity, groups, place.address, now_ns)
        except SignInRefused as refused:
            store.audit.refuse(
                *(None, "session.refused", "", str(refused), now_ns),
                actor=actor.at(place.address),
            )
            raise
        return passing_session(person_principal(person), place, now_ns)

    def _identity(self, scope: Scope) -> tuple[PersonIdentity | None, Collection[str]]:
        """Whom the headers name, and the person's groups; None for an empty name."""
        values, settings = self._values(scope), self._settings
        subject = values[settings.user_header]
        if not subject:
            return None, ()
        if len(subject) > MAX_SUBJECT or not subject.isprintable():
            raise SignInRefused("the proxy calls you by a name that cannot be used")
        name, email = (
            name_on_a_line(values.get(header, ""))
            for header in (settings.name_header, settings.email_header)
        )
        groups = {each.strip() for each in values.get(settings.groups_header, "").split(",")}
        return PersonIdentity(ISSUER, subject, name, email), groups - {""}

    def _values(self, scope: Scope) -> Mapping[str, str]:
        """The headers that are there; raises `SignInRefused` if one is there twice."""
        values: dict[str, str] = {}
        for raw_name, raw in scope["headers"]:
            name = raw_name.decode("latin-1")
            if name not in self._settings.headers:
                continue
            if name in values:
                # A proxy that adds its header to the client's would let the client choose.
                raise SignInRefused(f"the header {name} was sent twice")
            values[name] = _text(raw)
        return values

    def _is_trusted(self, peer: str) -> bool:
        with suppress(ValueError):
            address = ip_address(peer)
            return any(address in network for network in self._networks)
        return False

    def _ignore(self, peer: str) -> None:
        """Logs it, once a minute at most: whoever can forge a header can do so often."""
        with self._lock:
            self._ignored += 1
            if time.monotonic() - self._logged_at < _LOGGED_EVERY_SECONDS:
                return
            self._logged_at, ignored, self._ignored = time.monotonic(), self._ignored, 0
        log.warning("headers of a proxy that is not trusted were ignored", peer=peer, times=ignored)

    def _leave_others(
        self, store: Store, identity: PersonIdentity, groups: Collection[str], address: str
    ) -> None:
        """Ends the person's role, and so the share links, where none of the groups gives one."""
        for name in sorted(organisations_left(groups, self._settings.roles)):
            with suppress(NotFound, ReadOnly):
                org = store.organisations.get(name).organisation
                known = store.people.find(org, identity.issuer, identity.subject)
                # Most requests come from people who have nothing to leave: these write nothing.
                if known is not None and not known.is_role_set and known.role != ROLES[0]:
                    left = store.people.leave(org, known.id, actor=identity.actor.at(address))
                    left.result()

    def _person(
        self,
        store: Store,
        identity: PersonIdentity,
        groups: Collection[str],
        address: str,
        now_ns: int,
    ) -> Person:
        """The person as of now; written down if anything but a recent visit has changed."""
        row = role_of(groups, self._settings.roles)
        if row is None:
            raise SignInRefused("none of your groups has a role here")
        try:
            # Also one that is to be deleted: its owners can take that back.
            org = store.organisations.get(row.organisation).organisation
        except NotFound as error:
            raise SignInRefused(f"your groups have a role elsewhere, but {error}") from error
        known = store.people.find(org, identity.issuer, identity.subject)
        follows = _is_current(known, row)
        if known is not None and follows and _is_recent(known, identity, now_ns):
            return known
        # Names and the time of the visit can wait: the primary may be away, the deletion planned.
        with suppress(*((ReadOnly, BeingDeleted) if follows else ())):
            return store.people.sign_in(
                row.organisation,
                identity,
                row.role,
                now_ns,
                teams=row.teams,
                may_create=self._settings.may_sign_up,
                actor=identity.actor.at(address),
            ).result()
        assert known is not None, "only a person who is known can follow"
        return known


def _is_current(known: Person | None, granted: GrantedRole) -> bool:
    """Whether the person may come in, with the role and teams that are stored."""
    if known is None or known.disabled_at_ns is not None:
        return False
    has_teams = granted.teams is None or [*known.teams] == [*granted.teams]
    return known.is_role_set or (known.role.name == granted.role and has_teams)


def _is_recent(known: Person, identity: PersonIdentity, now_ns: int) -> bool:
    is_same = (known.name, known.email) == (identity.name, identity.email)
    return is_same and now_ns - known.last_seen_at_ns <= SEEN_EVERY_NS


def _text(raw: bytes) -> str:
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()
