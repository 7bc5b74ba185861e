"""Forwarding to Datadog in the store: settings, state, and the outbox as the worker sees it."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Literal, LiteralString, NamedTuple

from theodora.errors import NotFound
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.audit_actions import ActionName
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.leases import NOT_LEASED, end_lease, take_lease
from theodora.storage.engine.organisations import Organisation

_IN_USE: LiteralString = "NOT EXISTS (SELECT 1 FROM organisation_deletions x WHERE x.org = f.org)"


class ForwardingState(NamedTuple):
    """Where an organisation forwards to, and how that goes."""

    url: str
    api_key: str
    app_key: str
    begun_at_ns: int
    paused: str
    """Why nothing is sent until it is resumed; empty while it runs."""
    problem: str
    """Why the last try failed; empty if it did not."""
    tries: int
    """Tries in a row that failed."""
    not_before_ns: int
    is_full: bool
    omitted: int
    """Changes that the full outbox had no room for."""
    sent: int
    last_sent_at_ns: int
    waiting: int
    parked: int
    oldest_at_ns: int | None
    """When the oldest waiting change was made."""


class OutboxItem(NamedTuple):
    """A change that waits to be sent, or is parked because it was refused."""

    number: int
    kind: Literal["deployment", "failure"]
    event: str
    operation: Literal["put", "patch", "delete"]
    document: str
    """The attributes of the request as JSON; empty for a delete."""
    queued_at_ns: int
    reason: str


class Sending(NamedTuple):
    """What became of some changes, and what that means for the next ones."""

    sent: Sequence[int] = ()
    """Numbers of changes that have arrived."""
    parked: Sequence[tuple[int, str]] = ()
    """Numbers of refused changes, with the reasons."""
    problem: str = ""
    tries: int = 0
    not_before_ns: int = 0
    paused: str = ""


class ForwardingTotals(NamedTuple):
    """Of all organisations."""

    paused: int
    """Organisations whose forwarding is paused."""
    waiting: int
    parked: int
    omitted: int
    oldest_at_ns: int | None


class Forwarding:
    """Every method but `due` and `totals` is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, org: Organisation) -> ForwardingState | None:
        """None where the organisation does not forward."""
        return self._database.read(lambda cursor: _state(cursor, org))

    def put(
        self, org: Organisation, url: str, api_key: str, app_key: str, now_ns: int, *, actor: Actor
    ) -> Future[None]:
        """Begins to forward what comes in from now on, or continues with another site or keys."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "forwarding.begun", url)
            cursor.execute(
                "INSERT INTO forwarding (org, url, api_key, app_key, begun_at_ns) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (org) DO UPDATE SET url = excluded.url, "
                "api_key = excluded.api_key, app_key = excluded.app_key, paused = '', "
                "problem = '', tries = 0, not_before_ns = 0",
                (org.key, url, api_key, app_key, now_ns),
            )

        return audited(self._database, write, actor, org=org.key)

    def remove(self, org: Organisation, *, actor: Actor) -> Future[None]:
        """Ends forwarding; what waits is not sent. Raises `NotFound` where there is none."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "forwarding.ended", _site(cursor, org))
            cursor.execute("DELETE FROM outbox WHERE org = ?", (org.key,))
            cursor.execute("DELETE FROM forwarding WHERE org = ?", (org.key,))

        return audited(self._database, write, actor, org=org.key)

    def pause(self, org: Organisation, reason: str, *, actor: Actor) -> Future[None]:
        """Sends nothing until it is resumed; changes are still queued."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "forwarding.paused", _site(cursor, org), reason=reason)
            cursor.execute("UPDATE forwarding SET paused = ? WHERE org = ?", (reason, org.key))

        return audited(self._database, write, actor, org=org.key)

    def resume(self, org: Organisation, *, actor: Actor) -> Future[None]:
        """Tries at once, also after a pause between tries."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "forwarding.resumed", _site(cursor, org))
            cursor.execute(
                "UPDATE forwarding SET paused = '', problem = '', tries = 0, not_before_ns = 0 "
                "WHERE org = ?",
                (org.key,),
            )

        return audited(self._database, write, actor, org=org.key)

    def parked(self, org: Organisation, limit: int) -> list[OutboxItem]:
        """Refused changes, oldest first."""
        return self._database.read(lambda cursor: _items(cursor, org, "o.state = 'parked'", limit))

    def retry(self, org: Organisation, number: int | None = None, *, actor: Actor) -> Future[int]:
        """Has one parked change sent again, or all of them; how many those are."""
        change: LiteralString = "UPDATE outbox SET state = 'waiting', reason = ''"

        def write(cursor: Cursor, recorder: Recorder) -> int:
            count = _change_parked(cursor, org, change, number)
            _record_parked(recorder, org, "forwarding.retried", number, count)
            return count

        return audited(self._database, write, actor, org=org.key)

    def drop(self, org: Organisation, number: int | None = None, *, actor: Actor) -> Future[int]:
        """Removes one parked change, or all of them, without sending it; how many those are."""

        def write(cursor: Cursor, recorder: Recorder) -> int:
            count = _change_parked(cursor, org, "DELETE FROM outbox", number)
            _record_parked(recorder, org, "forwarding.dropped", number, count)
            return _leave(cursor, org, count)

        return audited(self._database, write, actor, org=org.key)

    def due(self, worker: str, now_ns: int) -> list[Organisation]:
        """The organisations in use with changes that this worker may send now."""

        def read(cursor: Cursor) -> list[Organisation]:
            rows = cursor.execute(
                "SELECT o.org, o.uuid, o.name FROM forwarding f JOIN organisations o USING (org) "
                "WHERE f.queued > 0 AND f.paused = '' AND f.not_before_ns <= ? "
                f"AND {NOT_LEASED} AND {_IN_USE} AND EXISTS (SELECT 1 FROM outbox w "
                "WHERE w.org = f.org AND w.state = 'waiting') ORDER BY o.org",
                (now_ns, "forwarding", worker, now_ns),
            )
            return [Organisation(*row) for row in rows.fetchall()]

        return self._database.primary.read(read)

    def lease(
        self, org: Organisation, worker: str, now_ns: int, until_ns: int, *, actor: Actor
    ) -> Future[bool]:
        """Has no other worker send for the organisation until then; whether none does now.

        The error is `OrganisationBusy` where another process is writing.
        """

        def write(cursor: Cursor) -> bool:
            running = cursor.execute(
                "SELECT 1 FROM forwarding WHERE org = ? AND paused = ''", (org.key,)
            ).fetchone()
            return running is not None and take_lease(
                cursor, org, "forwarding", worker, now_ns, until_ns
            )

        return self._database.write(write, actor, org=org.key, if_free=True)

    def waiting(self, org: Organisation, limit: int) -> list[OutboxItem]:
        """Changes to send, oldest first, without those of events with an earlier parked one."""
        condition: LiteralString = (
            "o.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.org = o.org "
            "AND p.kind = o.kind AND p.event = o.event AND p.number < o.number "
            "AND p.state = 'parked')"
        )
        return self._database.primary.read(lambda cursor: _items(cursor, org, condition, limit))

    def is_deleted_later(self, org: Organisation, item: OutboxItem) -> bool:
        """Whether a later change deletes the event."""

        def read(cursor: Cursor) -> bool:
            row = cursor.execute(
                "SELECT 1 FROM outbox WHERE org = ? AND kind = ? AND event = ? AND number > ? "
                "AND operation = 'delete'",
                (org.key, item.kind, item.event, item.number),
            ).fetchone()
            return row is not None

        return self._database.primary.read(read)

    def settle(
        self, org: Organisation, worker: str, sending: Sending, now_ns: int, *, actor: Actor
    ) -> Future[None]:
        """Notes what became of changes, and ends the lease of the worker."""

        def write(cursor: Cursor) -> None:
            gone = 0
            for number in sending.sent:
                row = cursor.execute(
                    "DELETE FROM outbox WHERE org = ? AND number = ? RETURNING number",
                    (org.key, number),
                ).fetchone()
                gone += row is not None
            cursor.executemany(
                "UPDATE outbox SET state = 'parked', reason = ? WHERE org = ? AND number = ?",
                [(reason, org.key, number) for number, reason in sending.parked],
            )
            _leave(cursor, org, gone)
            if not end_lease(cursor, org, "forwarding", worker):
                return
            cursor.execute(
                "UPDATE forwarding SET sent = sent + ?, last_sent_at_ns = CASE WHEN ? > 0 THEN ? "
                "ELSE last_sent_at_ns END, problem = ?, tries = ?, not_before_ns = ?, "
                "paused = CASE WHEN paused = '' THEN ? ELSE paused END WHERE org = ?",
                (
                    *(gone, gone, now_ns, sending.problem, sending.tries, sending.not_before_ns),
                    *(sending.paused, org.key),
                ),
            )

        return self._database.write(write, actor, org=org.key)

    def totals(self) -> ForwardingTotals:
        """For the server's metrics."""

        def read(cursor: Cursor) -> ForwardingTotals:
            row = cursor.execute(
                "SELECT coalesce(sum(CASE WHEN f.paused = '' THEN 0 ELSE 1 END), 0), "
                "coalesce(sum(f.queued), 0), coalesce(sum((SELECT count(*) FROM outbox p "
                "WHERE p.org = f.org AND p.state = 'parked')), 0), "
                "coalesce(sum(f.omitted), 0), min((SELECT w.queued_at_ns "
                "FROM outbox w WHERE w.org = f.org AND w.state = 'waiting' ORDER BY w.number "
                "LIMIT 1)) FROM forwarding f"
            ).fetchone()
            assert row is not None
            paused, queued, parked, omitted = map(int, row[:4])
            return ForwardingTotals(paused, queued - parked, parked, omitted, row[4])

        return self._database.read(read)


def _state(cursor: Cursor, org: Organisation) -> ForwardingState | None:
    row = cursor.execute(
        "SELECT url, api_key, app_key, begun_at_ns, paused, problem, tries, not_before_ns, "
        "is_full, omitted, sent, last_sent_at_ns, queued FROM forwarding WHERE org = ?",
        (org.key,),
    ).fetchone()
    if row is None:
        return None
    parked = cursor.execute(
        "SELECT count(*) FROM outbox WHERE org = ? AND state = 'parked'", (org.key,)
    ).fetchone()
    oldest = cursor.execute(
        "SELECT queued_at_ns FROM outbox WHERE org = ? AND state = 'waiting' "
        "ORDER BY number LIMIT 1",
        (org.key,),
    ).fetchone()
    assert parked is not None
    *values, is_full, omitted, sent, last_sent_at_ns, queued = row
    return ForwardingState(
        *values,
        is_full=bool(is_full),
        omitted=omitted,
        sent=sent,
        last_sent_at_ns=last_sent_at_ns,
        waiting=queued - parked[0],
        parked=parked[0],
        oldest_at_ns=oldest[0] if oldest else None,
    )


def _site(cursor: Cursor, org: Organisation) -> str:
    """The URL that the organisation forwards to; raises `NotFound` where it does not."""
    row = cursor.execute("SELECT url FROM forwarding WHERE org = ?", (org.key,)).fetchone()
    if row is None:
        raise NotFound("forwarding is off")
    return row[0]


def _change_parked(
    cursor: Cursor, org: Organisation, change: LiteralString, number: int | None
) -> int:
    """Changes one parked row, or all without a number; how many those are."""
    condition: LiteralString = "" if number is None else "AND number = ?"
    rows = cursor.execute(
        f"{change} WHERE org = ? AND state = 'parked' {condition} RETURNING number",
        (org.key,) if number is None else (org.key, number),
    )
    return len(rows.fetchall())


def _record_parked(
    recorder: Recorder, org: Organisation, action: ActionName, number: int | None, count: int
) -> None:
    """Records what was done to one parked change, or to all without a number; none is no change."""
    if count:
        target = "all" if number is None else str(number)
        recorder.record(org, action, target, after={"changes": count})


def _leave(cursor: Cursor, org: Organisation, count: int) -> int:
    """Counts rows that have left the outbox."""
    if count:
        cursor.execute(
            "UPDATE forwarding SET queued = queued - ?, is_full = 0 WHERE org = ?",
            (count, org.key),
        )
    return count


def _items(
    cursor: Cursor, org: Organisation, condition: LiteralString, limit: int
) -> list[OutboxItem]:
    rows: Any = cursor.execute(
        "SELECT o.number, o.kind, o.event, o.operation, o.document, o.queued_at_ns, o.reason "
        f"FROM outbox o WHERE o.org = ? AND {condition} ORDER BY o.number LIMIT ?",
        (org.key, limit),
    )
    return [OutboxItem(*row) for row in rows]
