"""Sessions of the dashboard, each of a person or of an application key.

The browser holds a secret, the store its hash. The secret is renewed from time to time; the
one before stays good for a moment, for requests that were on their way.
"""

import secrets
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString, NamedTuple

from theodora.errors import NotFound, OrganisationBusy
from theodora.events.values import SECOND_NS
from theodora.storage.access.key_rows import key_by_id
from theodora.storage.access.key_secrets import hash_of
from theodora.storage.access.people import note_person_seen, person_by_id
from theodora.storage.access.principals import Principal, key_principal, person_principal
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

RENEWED_AFTER_NS = 30 * 60 * SECOND_NS
"""How long a secret is used before another takes its place."""
_FORMER_IS_GOOD_NS = 60 * SECOND_NS
SEEN_EVERY_NS = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When a session ends: after so long without a request, and after so long at all."""

    idle_ns: int
    absolute_ns: int


class SignInPlace(NamedTuple):
    """Where and with what a person or key signed in, for people to recognise."""

    address: str = ""
    """Empty if it is not known."""
    browser: str = ""
    """Its family and the system's, such as `Firefox on Linux`."""


NOWHERE = SignInPlace()


class Session(NamedTuple):
    """A session that is good now."""

    id: str
    """The same for as long as it lasts, unlike the secret; empty for one of a request alone."""
    principal: Principal
    place: SignInPlace
    signed_in_at_ns: int
    renewed_at_ns: int
    seen_at_ns: int
    shows_former: bool
    """Whether it was found by a secret that has been replaced."""

    @property
    def is_stored(self) -> bool:
        """Whether it lasts; if not, a proxy vouches for each request."""
        return self.id != ""

    def is_due_to_renew(self, now_ns: int) -> bool:
        return not self.shows_former and now_ns - self.renewed_at_ns > RENEWED_AFTER_NS

    def is_due_to_be_seen(self, now_ns: int) -> bool:
        return now_ns - self.seen_at_ns > SEEN_EVERY_NS


def passing_session(principal: Principal, place: SignInPlace, now_ns: int) -> Session:
    """A session of one request alone: nothing of it is stored, so that it cannot be ended."""
    return Session(
        id="",
        principal=principal,
        place=place,
        signed_in_at_ns=now_ns,
        renewed_at_ns=now_ns,
        seen_at_ns=now_ns,
        shows_former=False,
    )


class Sessions:
    """Found by their secrets alone, so no organisation needs to be named."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        principal: Principal,
        secret: str,
        now_ns: int,
        limits: SessionLimits,
        place: SignInPlace = NOWHERE,
        *,
        actor: Actor,
    ) -> Future[None]:
        """Signs a principal in, and deletes the organisation's sessions that have ended."""
        org = principal.organisation

        def write(cursor: Cursor, recorder: Recorder) -> None:
            _forget_ended(org.key, now_ns, limits, cursor)
            id_ = _insert(cursor, principal, secret, now_ns, place)
            recorder.record(org, "session.started", id_)

        return audited(self._database, write, actor, org=org.key)

    def remove_ended(self, now_ns: int, limits: SessionLimits, *, actor: Actor) -> None:
        """Deletes the sessions of all organisations that have ended."""
        for org in self._database.primary.read(partial(_orgs_with_ended, now_ns, limits)):
            forget = partial(_forget_ended, org, now_ns, limits)
            with suppress(OrganisationBusy):
                self._database.write(forget, actor, org=org, if_free=True).result()

    def find(self, secret: str, now_ns: int, limits: SessionLimits) -> Session | None:
        """The session with this secret, unless it has ended.

        None also if its key has been revoked or its person is switched off.
        """
        session = self._database.read(lambda cursor: _find(cursor, secret, now_ns))
        if session is None or _has_ended(session, now_ns, limits):
            return None
        return session

    def all_of(self, org: Organisation, now_ns: int, limits: SessionLimits) -> Sequence[Session]:
        """The sessions of the organisation that are good now, the last seen first."""

        def read(cursor: Cursor) -> Sequence[Session]:
            rows = cursor.execute(f"{_SELECT} WHERE org = ?", (org.key,)).fetchall()
            found = (_session(cursor, row, row[-1], now_ns) for row in rows)
            good = [each for each in found if each and not _has_ended(each, now_ns, limits)]
            return sorted(good, key=lambda each: each.seen_at_ns, reverse=True)

        return self._database.read(read)

    def note_seen(self, session: Session, now_ns: int, *, actor: Actor) -> Future[None]:
        return self._database.write(
            lambda cursor: _note_seen(cursor, session, now_ns),
            actor,
            org=session.principal.organisation.key,
        )

    def renew(self, session: Session, secret: str, now_ns: int, *, actor: Actor) -> Future[bool]:
        """Puts `secret` in place of the session's, unless another request just has."""
        return self._database.write(
            lambda cursor: _renew(cursor, session, secret, now_ns),
            actor,
            org=session.principal.organisation.key,
        )

    def end(self, session: Session, *, actor: Actor) -> Future[None]:
        """Signs out; ending it again changes nothing."""
        org = session.principal.organisation

        def write(cursor: Cursor, recorder: Recorder) -> None:
            if _end(cursor, org, session.id):
                recorder.record(org, "session.ended", session.id)

        return audited(self._database, write, actor, org=org.key)

    def end_by_id(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Raises `NotFound` for the id of no session of the organisation."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            if not _end(cursor, org, id_):
                raise NotFound(f'there is no session "{id_}"')
            recorder.record(org, "session.ended", id_)

        return audited(self._database, write, actor, org=org.key)

    def end_of_person(self, org: Organisation, person_id: str, *, actor: Actor) -> Future[None]:
        """Signs a person out everywhere; without a session it changes nothing."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            ended = cursor.execute(
                "DELETE FROM sessions WHERE org = ? AND person_id = ? RETURNING id",
                (org.key, person_id),
            ).fetchall()
            for (id_,) in ended:
                recorder.record(org, "session.ended", id_)

        return audited(self._database, write, actor, org=org.key)


def new_session_secret() -> str:
    return secrets.token_urlsafe(32)


def _insert(
    cursor: Cursor, principal: Principal, secret: str, now_ns: int, place: SignInPlace
) -> str:
    id_ = str(uuid.uuid4())
    cursor.execute(
        "INSERT INTO sessions (org, id, hash, key_id, person_id, address, browser, "
        "signed_in_at_ns, renewed_at_ns, seen_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(principal.organisation.key, id_, hash_of(secret)),
            *(*principal.key_and_person, *place, now_ns, now_ns, now_ns),
        ),
    )
    return id_


_SELECT: LiteralString = (
    "SELECT org, id, key_id, person_id, address, browser, signed_in_at_ns, renewed_at_ns, "
    "seen_at_ns, hash FROM sessions"
)


def _find(cursor: Cursor, secret: str, now_ns: int) -> Session | None:
    shown = hash_of(secret)
    row = cursor.execute(
        # Parallel requests of a page may still carry the secret from before a renewal.
        f"{_SELECT} WHERE hash = ? OR (former_hash = ? AND renewed_at_ns > ?)",
        (shown, shown, now_ns - _FORMER_IS_GOOD_NS),
    ).fetchone()
    return _session(cursor, row, shown, now_ns) if row else None


def _session(cursor: Cursor, row: tuple[Any, ...], shown: str, now_ns: int) -> Session | None:
    """The session of a row; None if whom it belongs to cannot sign in any more."""
    org, id_, key_id, person_id, address, browser, *instants_ns, hash_ = row
    if person_id is not None:
        person = person_by_id(cursor, org, person_id)
        is_good = person is not None and person.disabled_at_ns is None
        principal = person_principal(person) if person and is_good else None
    else:
        key = key_by_id(cursor, org, key_id)
        principal = key_principal(key) if key and not key.has_expired(now_ns) else None
    if principal is None:
        return None
    signed_in_at_ns, renewed_at_ns, seen_at_ns = instants_ns
    return Session(
        id=id_,
        principal=principal,
        place=SignInPlace(address, browser),
        signed_in_at_ns=signed_in_at_ns,
        renewed_at_ns=renewed_at_ns,
        seen_at_ns=seen_at_ns,
        shows_former=hash_ != shown,
    )


def _has_ended(session: Session, now_ns: int, limits: SessionLimits) -> bool:
    return (
        now_ns - session.seen_at_ns >= limits.idle_ns
        or now_ns - session.signed_in_at_ns >= limits.absolute_ns
    )


def _note_seen(cursor: Cursor, session: Session, now_ns: int) -> None:
    org, person = session.principal.organisation, session.principal.person
    cursor.execute(
        "UPDATE sessions SET seen_at_ns = ? WHERE org = ? AND id = ? AND seen_at_ns < ?",
        (now_ns, org.key, session.id, now_ns),
    )
    if person is not None:
        note_person_seen(cursor, org, person.id, now_ns)


def _renew(cursor: Cursor, session: Session, secret: str, now_ns: int) -> bool:
    renewed = cursor.execute(
        "UPDATE sessions SET former_hash = hash, hash = ?, renewed_at_ns = ?, seen_at_ns = ? "
        # Of two requests that renew at once, only the first may: the browser keeps a single cookie.
        "WHERE org = ? AND id = ? AND renewed_at_ns = ? RETURNING id",
        (
            *(hash_of(secret), now_ns, now_ns),
            *(session.principal.organisation.key, session.id, session.renewed_at_ns),
        ),
    )
    return renewed.fetchone() is not None


def _end(cursor: Cursor, org: Organisation, id_: str) -> bool:
    """Whether it had not been ended before."""
    ended = cursor.execute(
        "DELETE FROM sessions WHERE org = ? AND id = ? RETURNING id", (org.key, id_)
    )
    return ended.fetchone() is not None


def _orgs_with_ended(now_ns: int, limits: SessionLimits, cursor: Cursor) -> list[int]:
    rows = cursor.execute(
        "SELECT DISTINCT org FROM sessions WHERE seen_at_ns <= ? OR signed_in_at_ns <= ?",
        (now_ns - limits.idle_ns, now_ns - limits.absolute_ns),
    ).fetchall()
    return [org for (org,) in rows]


def _forget_ended(org: int, now_ns: int, limits: SessionLimits, cursor: Cursor) -> None:
    cursor.execute(
        "DELETE FROM sessions WHERE org = ? AND (seen_at_ns <= ? OR signed_in_at_ns <= ?)",
        (org, now_ns - limits.idle_ns, now_ns - limits.absolute_ns),
    )
