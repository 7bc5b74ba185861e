"""Receivers of digests and alerts, and the messages to them, which are their log too."""

import base64
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, LiteralString, NamedTuple

from theodora.errors import Invalid, NotFound, Problem
from theodora.events.values import DAY_NS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

ReceiverKind = Literal["slack", "teams", "email", "webhook"]
MessageState = Literal["waiting", "sending", "sent", "failed", "unknown"]

MAX_RECEIVERS = 50
"""Of an organisation."""
KEPT_DAYS = 400
"""So long a message stays in the log, and is not sent again."""
INTERRUPTED = "the server ended while it was being sent: it may have arrived"
WORKING_DAYS = (0, 1, 2, 3, 4)

_ID_BYTES = 12
_SECRET_BYTES = 32
_IN_USE: LiteralString = "NOT EXISTS (SELECT 1 FROM organisation_deletions x WHERE x.org = o.org)"


class ReceiverSettings(NamedTuple):
    """What a receiver is sent, and when."""

    team: str = ""
    """Only about its services; empty for all."""
    timezone: str = "UTC"
    days: tuple[int, ...] = WORKING_DAYS
    """On which it receives something; 0 is Monday."""
    hour: int = 9
    """When the digest is sent on the first of these days in a week."""
    digests: bool = True
    alerts: bool = True
    open_hours: int = 24
    """After which an open failure has been open too long."""


class Receiver(NamedTuple):
    """Where messages go."""

    id: str
    kind: ReceiverKind
    name: str
    url: str
    secret: str
    """Signs webhooks; empty for other kinds."""
    settings: ReceiverSettings
    created_at_ns: int


class Message(NamedTuple):
    """A text for a receiver; `key` names its subject, so that it is queued once."""

    receiver: str
    key: str
    title: str
    body: str


class LoggedMessage(NamedTuple):
    """A message, and what became of it."""

    message: Message
    queued_at_ns: int
    state: MessageState
    tries: int
    settled_at_ns: int | None
    reason: str


class MessageClaim(NamedTuple):
    """A message that is being sent by whoever has the claim."""

    receiver: Receiver
    message: Message
    tries: int
    """Those before."""
    queued_at_ns: int


class SendOutcome(NamedTuple):
    """What became of a try to send."""

    state: MessageState
    reason: str = ""
    not_before_ns: int = 0
    """When a waiting message is tried again."""


class Notifications:
    """Every method but `due` and `served` is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def receivers(self, org: Organisation) -> Sequence[Receiver]:
        """The oldest first."""

        def read(cursor: Cursor) -> Sequence[Receiver]:
            rows = cursor.execute(
                f"{_SELECT} WHERE r.org = ? ORDER BY r.created_at_ns, r.id", (org.key,)
            )
            return [_receiver(row) for row in rows.fetchall()]

        return self._database.read(read)

    def receiver(self, org: Organisation, id_: str) -> Receiver:
        """Raises `NotFound` where there is none with this id."""
        return self._database.read(lambda cursor: _found(cursor, org, id_))

    def add(
        self,
        org: Organisation,
        kind: ReceiverKind,
        name: str,
        url: str,
        settings: ReceiverSettings,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[Receiver]:
        """A new receiver; one of webhooks gets a secret.

        Raises `Invalid` if the organisation has as many as it may have.
        """
        id_ = secrets.token_hex(_ID_BYTES)
        secret = _new_secret() if kind == "webhook" else ""
        receiver = Receiver(id_, kind, name, url, secret, settings, now_ns)

        def write(cursor: Cursor, recorder: Recorder) -> Receiver:
            held = only_value(
                cursor.execute("SELECT count(*) FROM receivers WHERE org = ?", (org.key,))
            )
            if held >= MAX_RECEIVERS:
                raise Invalid(Problem(f"there are {held} receivers already: remove some first"))
            _insert(cursor, org, receiver)
            after = {"kind": kind, "name": name, **settings._asdict()}
            recorder.record(org, "receiver.added", id_, after=after)
            return receiver

        return audited(self._database, write, actor, org=org.key)

    def change(
        self,
        org: Organisation,
        id_: str,
        name: str,
        settings: ReceiverSettings,
        url: str | None = None,
        *,
        actor: Actor,
    ) -> Future[None]:
        """Gives a receiver another name, settings and, unless it is None, address.

        What is queued goes to the new address. Raises `NotFound` for an unknown receiver.
        """

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, id_)
            cursor.execute(
                "UPDATE receivers SET name = ?, url = ?, team = ?, timezone = ?, days = ?, "
                "hour = ?, digests = ?, alerts = ?, open_hours = ? WHERE org = ? AND id = ?",
                (name, found.url if url is None else url, *_settings_row(settings), org.key, id_),
            )
            before = {"name": found.name, **found.settings._asdict()}
            after = {"name": name, **settings._asdict()}
            if url not in {None, found.url}:
                # Addresses hold secrets.
                after["address"] = "another"
            recorder.record(org, "receiver.changed", id_, before=before, after=after)

        return audited(self._database, write, actor, org=org.key)

    def remove(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Removes a receiver with its messages. Raises `NotFound` for an unknown one."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, id_)
            before = {"kind": found.kind, "name": found.name}
            recorder.record(org, "receiver.removed", id_, before=before)
            cursor.execute("DELETE FROM messages WHERE org = ? AND receiver = ?", (org.key, id_))
            cursor.execute("DELETE FROM receivers WHERE org = ? AND id = ?", (org.key, id_))

        return audited(self._database, write, actor, org=org.key)

    def test(
        self, org: Organisation, message: Message, now_ns: int, *, actor: Actor
    ) -> Future[None]:
        """Queues a message that a person asked for. Raises `NotFound` for an unknown receiver."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            found = _found(cursor, org, message.receiver)
            recorder.record(org, "receiver.tested", found.id, after={"name": found.name})
            _queue(cursor, org, message, now_ns)

        return audited(self._database, write, actor, org=org.key)

    def retry(self, org: Organisation, receiver: str, key: str, *, actor: Actor) -> Future[None]:
        """Queues a message again that failed, or that nobody knows to have arrived.

        Raises `NotFound` where there is no such message.
        """

        def write(cursor: Cursor, recorder: Recorder) -> None:
            row = cursor.execute(
                "UPDATE messages SET state = 'waiting', tries = 0, not_before_ns = 0, "
                "settled_at_ns = NULL, reason = '' WHERE org = ? AND receiver = ? AND key = ? "
                "AND state IN ('failed', 'unknown') RETURNING title",
                (org.key, receiver, key),
            ).fetchone()
            if row is None:
                raise NotFound("there is no such message that was not sent")
            recorder.record(org, "receiver.sent_again", receiver, after={"title": row[0]})

        return audited(self._database, write, actor, org=org.key)

    def queue(
        self, org: Organisation, messages: Iterable[Message], now_ns: int, *, actor: Actor
    ) -> Future[int]:
        """Queues those that were never queued; how many those are.

        Removes what was settled `KEPT_DAYS` ago or earlier from the log. The error is
        `OrganisationBusy` where another process is writing.
        """

        def write(cursor: Cursor) -> int:
            cursor.execute(
                "DELETE FROM messages WHERE org = ? AND settled_at_ns < ?",
                (org.key, now_ns - KEPT_DAYS * DAY_NS),
            )
            return sum(_queue(cursor, org, each, now_ns) for each in messages)

        return self._database.write(write, actor, org=org.key, if_free=True)

    def is_queued(self, org: Organisation, receiver: str, key: str) -> bool:
        """Whether a message was queued, whatever became of it."""

        return self._database.primary.read(lambda cursor: _is_queued(cursor, org, receiver, key))

    def never_queued(self, org: Organisation, messages: Sequence[Message]) -> list[Message]:
        """Those of the messages that were not, in one read."""

        def read(cursor: Cursor) -> list[Message]:
            return [
                each for each in messages if not _is_queued(cursor, org, each.receiver, each.key)
            ]

        return self._database.primary.read(read)

    def served(self) -> Sequence[Organisation]:
        """The organisations in use that have receivers."""
        statement: LiteralString = (
            "SELECT o.org, o.uuid, o.name FROM organisations o WHERE EXISTS "
            f"(SELECT 1 FROM receivers r WHERE r.org = o.org) AND {_IN_USE} ORDER BY o.org"
        )
        return self._database.primary.read(lambda cursor: _organisations(cursor, statement, ()))

    def due(self, now_ns: int) -> Sequence[Organisation]:
        """The organisations in use with messages to send, or claims that have run out."""
        statement: LiteralString = (
            "SELECT o.org, o.uuid, o.name FROM organisations o WHERE o.org IN "
            "(SELECT m.org FROM messages m WHERE m.settled_at_ns IS NULL "
            f"AND m.not_before_ns <= ?) AND {_IN_USE} ORDER BY o.org"
        )
        return self._database.primary.read(
            lambda cursor: _organisations(cursor, statement, (now_ns,))
        )

    def claim(
        self, org: Organisation, now_ns: int, until_ns: int, *, actor: Actor
    ) -> Future[MessageClaim | None]:
        """Claims the oldest message to send, so that nobody else sends it.

        A claim that nobody settled until it ran out was a server's that ended. A webhook is sent
        again: its receiver knows the id. Nobody knows whether other messages have arrived:
        they are not sent again. The error is `OrganisationBusy` where another process is writing.
        """

        def write(cursor: Cursor) -> MessageClaim | None:
            cursor.execute(
                "UPDATE messages SET state = 'waiting' WHERE org = ? AND state = 'sending' "
                "AND not_before_ns <= ? AND receiver IN "
                "(SELECT r.id FROM receivers r WHERE r.org = ? AND r.kind = 'webhook')",
                (org.key, now_ns, org.key),
            )
            cursor.execute(
                "UPDATE messages SET state = 'unknown', settled_at_ns = ?, reason = ? "
                "WHERE org = ? AND state = 'sending' AND not_before_ns <= ?",
                (now_ns, INTERRUPTED, org.key, now_ns),
            )
            row = cursor.execute(
                "SELECT receiver, key, title, body, tries, queued_at_ns FROM messages "
                "WHERE org = ? AND state = 'waiting' AND not_before_ns <= ? "
                "ORDER BY queued_at_ns, receiver, key LIMIT 1",
                (org.key, now_ns),
            ).fetchone()
            if row is None:
                return None
            *content, tries, queued_at_ns = row
            message = Message(*content)
            cursor.execute(
                "UPDATE messages SET state = 'sending', tries = tries + 1, not_before_ns = ? "
                "WHERE org = ? AND receiver = ? AND key = ?",
                (until_ns, org.key, message.receiver, message.key),
            )
            return MessageClaim(_found(cursor, org, message.receiver), message, tries, queued_at_ns)

        return self._database.write(write, actor, org=org.key, if_free=True)

    def settle(
        self,
        org: Organisation,
        claim: MessageClaim,
        outcome: SendOutcome,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[None]:
        """Notes what became of a claimed message, also if its claim has run out meanwhile."""

        def write(cursor: Cursor) -> None:
            settled_at_ns = None if outcome.state == "waiting" else now_ns
            cursor.execute(
                "UPDATE messages SET state = ?, reason = ?, not_before_ns = ?, settled_at_ns = ? "
                "WHERE org = ? AND receiver = ? AND key = ? AND state IN ('sending', 'unknown')",
                (
                    *(outcome.state, outcome.reason, outcome.not_before_ns, settled_at_ns),
                    *(org.key, claim.message.receiver, claim.message.key),
                ),
            )

        return self._database.write(write, actor, org=org.key)

    def log(self, org: Organisation, limit: int) -> Sequence[LoggedMessage]:
        """The newest messages first."""

        def read(cursor: Cursor) -> Sequence[LoggedMessage]:
            rows = cursor.execute(
                "SELECT receiver, key, title, body, queued_at_ns, state, tries, settled_at_ns, "
                "reason FROM messages WHERE org = ? "
                "ORDER BY queued_at_ns DESC, receiver, key LIMIT ?",
                (org.key, limit),
            )
            return [LoggedMessage(Message(*row[:4]), *row[4:]) for row in rows.fetchall()]

        return self._database.read(read)


_SELECT: LiteralString = (
    "SELECT r.id, r.kind, r.name, r.url, r.secret, r.team, r.timezone, r.days, r.hour, r.digests, "
    "r.alerts, r.open_hours, r.created_at_ns FROM receivers r"
)


def _new_secret() -> str:
    """A random secret, as Standard Webhooks writes them."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _insert(cursor: Cursor, org: Organisation, receiver: Receiver) -> None:
    settings = receiver.settings
    cursor.execute(
        "INSERT INTO receivers (org, id, kind, name, url, secret, team, timezone, days, "
        "hour, digests, alerts, open_hours, created_at_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(org.key, receiver.id, receiver.kind, receiver.name, receiver.url, receiver.secret),
            *_settings_row(settings),
            receiver.created_at_ns,
        ),
    )


def _settings_row(settings: ReceiverSettings) -> tuple[str | int, ...]:
    """In the order of the columns."""
    return (
        *(settings.team, settings.timezone, " ".join(map(str, settings.days)), settings.hour),
        *(int(settings.digests), int(settings.alerts), settings.open_hours),
    )


def _found(cursor: Cursor, org: Organisation, id_: str) -> Receiver:
    row = cursor.execute(f"{_SELECT} WHERE r.org = ? AND r.id = ?", (org.key, id_)).fetchone()
    if row is None:
        raise NotFound(f'there is no receiver "{id_}"')
    return _receiver(row)


def _receiver(row: Sequence[Any]) -> Receiver:
    id_, kind, name, url, secret, team, timezone, days, hour, digests, alerts, open_hours, at = row
    settings = ReceiverSettings(
        team,
        timezone,
        tuple(map(int, days.split())),
        hour,
        digests=bool(digests),
        alerts=bool(alerts),
        open_hours=open_hours,
    )
    return Receiver(id_, kind, name, url, secret, settings, at)


def _is_queued(cursor: Cursor, org: Organisation, receiver: str, key: str) -> bool:
    row = cursor.execute(
        "SELECT 1 FROM messages WHERE org = ? AND receiver = ? AND key = ?",
        (org.key, receiver, key),
    ).fetchone()
    return row is not None


def _queue(cursor: Cursor, org: Organisation, message: Message, now_ns: int) -> int:
    """1 if it is new; nothing for a receiver that was removed meanwhile."""
    queued = cursor.execute(
        "INSERT INTO messages (org, receiver, key, title, body, queued_at_ns, state) "
        "SELECT r.org, r.id, ?, ?, ?, ?, 'waiting' FROM receivers r WHERE r.org = ? AND r.id = ? "
        "ON CONFLICT (org, receiver, key) DO NOTHING RETURNING key",
        (message.key, message.title, message.body, now_ns, org.key, message.receiver),
    )
    return len(queued.fetchall())


def _organisations(
    cursor: Cursor, statement: LiteralString, values: tuple[int, ...]
) -> Sequence[Organisation]:
    return [Organisation(*row) for row in cursor.execute(statement, values).fetchall()]
