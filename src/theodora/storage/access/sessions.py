"""Sessions of the dashboard, each for an application key.

The browser holds a secret, the store its hash. The secret is renewed from time to time; the
one before stays good for a moment, for requests that were on their way.
"""

import secrets
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from theodora.events.values import SECOND_NS
from theodora.storage.access.keys import hash_of, key_by_id
from theodora.storage.access.principals import Principal, key_principal
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database

RENEWED_AFTER_NS = 30 * 60 * SECOND_NS
"""How long a secret is used before another takes its place."""
_FORMER_IS_GOOD_NS = 60 * SECOND_NS
_SEEN_EVERY_NS = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When a session ends: after so long without a request, and after so long at all."""

    idle_ns: int
    absolute_ns: int


class Session(NamedTuple):
    """A session that is good now."""

    id: str
    """The same for as long as it lasts, unlike the secret."""
    principal: Principal
    signed_in_at_ns: int
    renewed_at_ns: int
    seen_at_ns: int
    shows_former: bool
    """Whether it was found by a secret that has been replaced."""

    def is_due_to_renew(self, now_ns: int) -> bool:
        return not self.shows_former and now_ns - self.renewed_at_ns > RENEWED_AFTER_NS

    def is_due_to_be_seen(self, now_ns: int) -> bool:
        return now_ns - self.seen_at_ns > _SEEN_EVERY_NS


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
        *,
        actor: Actor,
    ) -> Future[None]:
        """Signs a principal in, and deletes sessions that have ended."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            _forget_ended(cursor, now_ns, limits)
            id_ = _insert(cursor, principal, secret, now_ns)
            recorder.record(principal.organisation, "session.started", id_)

        return audited(self._database, write, actor)

    def find(self, secret: str, now_ns: int, limits: SessionLimits) -> Session | None:
        """The session with this secret, unless it has ended or its key has been revoked."""
        session = self._database.read(lambda cursor: _find(cursor, secret, now_ns))
        if session is None or _has_ended(session, now_ns, limits):
            return None
        return session

    def note_seen(self, session: Session, now_ns: int, *, actor: Actor) -> Future[None]:
        return self._database.write(lambda cursor: _note_seen(cursor, session, now_ns), actor)

    def renew(self, session: Session, secret: str, now_ns: int, *, actor: Actor) -> Future[bool]:
        """Puts `secret` in place of the session's, unless another request just has."""
        return self._database.write(lambda cursor: _renew(cursor, session, secret, now_ns), actor)

    def end(self, session: Session, *, actor: Actor) -> Future[None]:
        """Signs out; ending it again changes nothing."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            if _end(cursor, session):
                recorder.record(session.principal.organisation, "session.ended", session.id)

        return audited(self._database, write, actor)


def new_session_secret() -> str:
    return secrets.token_urlsafe(32)


def _insert(cursor: Cursor, principal: Principal, secret: str, now_ns: int) -> str:
    id_ = str(uuid.uuid4())
    cursor.execute(
        "INSERT INTO sessions (id, hash, key_id, signed_in_at_ns, renewed_at_ns, seen_at_ns) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (id_, hash_of(secret), principal.key.id, now_ns, now_ns, now_ns),
    )
    return id_


def _find(cursor: Cursor, secret: str, now_ns: int) -> Session | None:
    shown = hash_of(secret)
    row = cursor.execute(
        "SELECT id, key_id, signed_in_at_ns, renewed_at_ns, seen_at_ns, hash FROM sessions "
        # Parallel requests of a page may still carry the secret from before a renewal.
        "WHERE hash = ? OR (former_hash = ? AND renewed_at_ns > ?)",
        (shown, shown, now_ns - _FORMER_IS_GOOD_NS),
    ).fetchone()
    if row is None:
        return None
    id_, key_id, signed_in_at_ns, renewed_at_ns, seen_at_ns, hash_ = row
    key = key_by_id(cursor, key_id)
    if key is None or key.has_expired(now_ns):
        return None
    principal = key_principal(key)
    return Session(id_, principal, signed_in_at_ns, renewed_at_ns, seen_at_ns, hash_ != shown)


def _has_ended(session: Session, now_ns: int, limits: SessionLimits) -> bool:
    return (
        now_ns - session.seen_at_ns >= limits.idle_ns
        or now_ns - session.signed_in_at_ns >= limits.absolute_ns
    )


def _note_seen(cursor: Cursor, session: Session, now_ns: int) -> None:
    cursor.execute(
        "UPDATE sessions SET seen_at_ns = ? WHERE id = ? AND seen_at_ns < ?",
        (now_ns, session.id, now_ns),
    )


def _renew(cursor: Cursor, session: Session, secret: str, now_ns: int) -> bool:
    renewed = cursor.execute(
        "UPDATE sessions SET former_hash = hash, hash = ?, renewed_at_ns = ?, seen_at_ns = ? "
        # Of two requests that renew at once, only the first may: the browser keeps a single cookie.
        "WHERE id = ? AND renewed_at_ns = ? RETURNING id",
        (hash_of(secret), now_ns, now_ns, session.id, session.renewed_at_ns),
    )
    return renewed.fetchone() is not None


def _end(cursor: Cursor, session: Session) -> bool:
    """Whether it had not been ended before."""
    ended = cursor.execute("DELETE FROM sessions WHERE id = ? RETURNING id", (session.id,))
    return ended.fetchone() is not None


def _forget_ended(cursor: Cursor, now_ns: int, limits: SessionLimits) -> None:
    cursor.execute(
        "DELETE FROM sessions WHERE seen_at_ns <= ? OR signed_in_at_ns <= ?",
        (now_ns - limits.idle_ns, now_ns - limits.absolute_ns),
    )
