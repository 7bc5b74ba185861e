"""The inbox of webhooks: received bodies, durable before they are acknowledged, and read later."""

import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, LiteralString, NamedTuple, get_args

import msgspec

from theodora.dora import Commit
from theodora.errors import NotFound
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts
from theodora.storage.engine.database import Database
from theodora.storage.engine.leases import NOT_LEASED, end_lease, take_lease
from theodora.storage.engine.organisations import Organisation, organisation_by_key
from theodora.storage.events.rows import next_receipt
from theodora.storage.events.usage import UNLIMITED, Quotas
from theodora.storage.facts.commits import put_guessed_commits
from theodora.storage.facts.correlations import (
    Correlation,
    orgs_with_old_correlations,
    prune_correlations,
    put_correlation,
    things_with_key,
)
from theodora.storage.facts.source_facts import (
    Fold,
    KnownThing,
    RepositoryCommits,
    SourceFact,
    known_things,
    orgs_with_old_facts,
    prune_facts,
    replace_facts,
)
from theodora.storage.source_events import SourceEvents

DeliveryState = Literal["waiting", "done", "ignored", "failed"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)

_PRUNED_AT_ONCE = 200
_COLUMNS: LiteralString = (
    "i.number, i.kind, i.source, i.received_at_ns, i.headers, i.body, i.state, i.reason, i.replays"
)
_BYTES_AT_ONCE = 16 * 2**20
"""Bodies read at once; the one that passes this is still among them."""
_OLDEST: LiteralString = (
    "i.number IN (SELECT number FROM (SELECT number, sum(size) OVER (ORDER BY number) - size "
    "AS before FROM (SELECT number, octet_length(body) AS size FROM inbox WHERE org = ? "
    "AND state = 'waiting' ORDER BY number LIMIT ?) waiting) sized WHERE before < ?) "
    "ORDER BY i.number"
)
_ORGS_WITH_OLD: LiteralString = (
    "SELECT DISTINCT org FROM inbox WHERE received_at_ns < ? AND state <> 'waiting'"
)
_SETTLED_AT_ONCE = 32
_SETTLED: LiteralString = "(CAST(? AS BIGINT), CAST(? AS BIGINT), ?, ?)"
_SETTLE: LiteralString = (
    "UPDATE inbox SET state = v.column3, reason = v.column4 "
    f"FROM (VALUES {_SETTLED}{f', {_SETTLED}' * (_SETTLED_AT_ONCE - 1)}) v "
    "WHERE inbox.org = ? AND inbox.number = v.column1 AND inbox.state = 'waiting' "
    "AND inbox.replays = v.column2 RETURNING inbox.number"
)
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


class StoredDelivery(NamedTuple):
    """A delivery as it lies in the inbox."""

    organisation: Organisation
    number: int
    kind: str
    source: str
    """The id of the source; empty for what came with an API key."""
    received_at_ns: int
    headers: Mapping[str, str]
    body: str
    state: DeliveryState
    reason: str
    replays: int


class DeliveryReading(NamedTuple):
    """What a delivery says, or why it says nothing."""

    state: Literal["done", "ignored", "failed"]
    reason: str
    facts: Sequence[SourceFact] = ()
    commits: Sequence[RepositoryCommits] = ()
    correlations: Sequence[Correlation] = ()


class SourceCounts(NamedTuple):
    """The deliveries of a source that are in the inbox."""

    kind: str
    source: str
    deliveries: int
    ignored: int
    failed: int
    waiting: int
    last_received_at_ns: int


class InboxQuery(NamedTuple):
    """Which deliveries to list; newest first, at most `limit` of them."""

    kind: str | None = None
    source: str | None = None
    """Empty for what came with an API key; None for everything."""
    state: DeliveryState | None = None
    before: int | None = None
    """Only deliveries with a smaller number."""
    limit: int = 50
    from_ns: int | None = None
    """Only deliveries received from then on."""
    to_ns: int | None = None
    """Only deliveries received before then."""
    containing: str = ""
    """Part of what they say or of a header, case-insensitive."""

    @property
    def conditions(self) -> Sequence[tuple[LiteralString, Any]]:
        """SQL conditions on the inbox `i`, each with its value."""
        escaped = re.sub(r"([\\%_])", r"\\\1", self.containing.lower())
        conditions: list[tuple[LiteralString, Any]] = [
            ("i.kind = ?", self.kind),
            ("i.source = ?", self.source),
            ("i.state = ?", self.state),
            ("i.number < ?", self.before),
            ("i.received_at_ns >= ?", self.from_ns),
            ("i.received_at_ns < ?", self.to_ns),
            (
                "lower(i.reason || ' ' || i.headers) LIKE ? ESCAPE '\\'",
                f"%{escaped}%" if escaped else None,
            ),
        ]
        return [(condition, value) for condition, value in conditions if value is not None]


class Inbox:
    """Every method is about one organisation and sees no other, but for `due` and `to_prune`."""

    def __init__(self, database: Database, quotas: Quotas = UNLIMITED) -> None:
        self._database = database
        self._quotas = quotas
        self._events = SourceEvents(quotas)
        self.arrived = threading.Event()
        """Set whenever something in this process has come in, for whoever works it off."""

    def receive(
        self,
        org: Organisation,
        kind: str,
        source: str,
        headers: Mapping[str, str],
        body: str,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[int]:
        """Stores a body; the future has its number once it is durable."""
        encoded = msgspec.json.encode(headers).decode()

        def write(cursor: Cursor) -> int:
            number = next_receipt(cursor, org)
            cursor.execute(
                "INSERT INTO inbox "
                "(org, number, kind, source, received_at_ns, headers, body, state, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', '')",
                (org.key, number, kind, source, now_ns, encoded, body),
            )
            return number

        future = self._database.write(write, actor, org=org.key)
        future.add_done_callback(lambda _: self.arrived.set())
        return future

    def due(self, worker: str, now_ns: int) -> list[Organisation]:
        """The organisations in use with deliveries that this worker may read now."""

        def read(cursor: Cursor) -> list[Organisation]:
            rows = cursor.execute(
                "SELECT o.org, o.uuid, o.name FROM organisations o WHERE EXISTS ("
                "SELECT 1 FROM inbox i WHERE i.org = o.org AND i.state = 'waiting') "
                f"AND NOT EXISTS (SELECT 1 FROM organisation_deletions d WHERE d.org = o.org) "
                f"AND {NOT_LEASED} ORDER BY o.org",
                ("inbox", worker, now_ns),
            )
            return [Organisation(*row) for row in rows.fetchall()]

        return self._database.primary.read(read)

    def lease(
        self, org: Organisation, worker: str, now_ns: int, until_ns: int, *, actor: Actor
    ) -> Future[bool]:
        """Has no other worker read for the organisation until then; whether none does now.

        The error is `OrganisationBusy` where another process is writing.
        """
        return self._database.write(
            lambda cursor: take_lease(cursor, org, "inbox", worker, now_ns, until_ns),
            actor,
            org=org.key,
            if_free=True,
        )

    def end_lease(self, org: Organisation, worker: str, *, actor: Actor) -> Future[bool]:
        """Lets other workers read for the organisation; False where one does already."""
        return self._database.write(
            lambda cursor: end_lease(cursor, org, "inbox", worker),
            actor,
            org=org.key,
            if_free=True,
        )

    def waiting(self, org: Organisation, limit: int) -> list[StoredDelivery]:
        """Deliveries to read, oldest first; fewer where their bodies are long."""
        return self._database.primary.read(
            lambda cursor: _select(cursor, org, _OLDEST, (org.key, limit, _BYTES_AT_ONCE))
        )

    def settle(
        self,
        readings: Sequence[tuple[StoredDelivery, DeliveryReading]],
        fold: Fold,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[int]:
        """Stores what deliveries of one source say, and what follows; how many still waited.

        Events are what `fold` makes of all facts about a thing and of its correlations. The future
        has the error of `fold`, `OverQuota` or `OrganisationBusy`, and then nothing is stored.
        """
        received, _ = readings[0]
        org, kind = received.organisation, received.kind

        def write(cursor: Cursor) -> int:
            settled = _settled(cursor, org, readings)
            now = [(each, reading) for each, reading in readings if each.number in settled]
            replaced = [each.number for each, _ in now if each.replays]
            facts = [(each.number, fact) for each, reading in now for fact in reading.facts]
            things = replace_facts(cursor, org, kind, replaced, facts)
            uncounted = self._events.compute(cursor, org, kind, things, fold, now_ns, actor)
            _note_ignored(cursor, org, now, uncounted)
            for other, about in _correlated(cursor, org, now).items():
                self._events.compute(cursor, org, other, about, fold, now_ns, actor)
            pushed: dict[str, list[Commit]] = {}
            for _, reading in now:
                for each in reading.commits:
                    pushed.setdefault(each.repository_id, []).extend(each.commits)
            for repository_id, commits in pushed.items():
                put_guessed_commits(cursor, org, repository_id, commits, self._quotas)
            return len(now)

        return self._database.write(write, actor, org=org.key, if_free=True)

    def select(self, org: Organisation, query: InboxQuery) -> list[StoredDelivery]:
        """Deliveries, newest first."""
        conditions = query.conditions
        condition: LiteralString = " AND ".join(["1 = 1", *(each for each, _ in conditions)])
        values = [*(value for _, value in conditions), query.limit]
        ordered: LiteralString = f"{condition} ORDER BY i.number DESC LIMIT ?"
        return self._database.read(lambda cursor: _select(cursor, org, ordered, values))

    def get(self, org: Organisation, number: int) -> StoredDelivery:
        """Raises `NotFound` where there is no such delivery."""

        def read(cursor: Cursor) -> StoredDelivery:
            found = _select(cursor, org, "i.number = ?", (number,))
            if not found:
                raise NotFound(f"there is no delivery {number}")
            return found[0]

        return self._database.read(read)

    def known(
        self, org: Organisation, kind: str, numbers: Sequence[int], things: Sequence[str]
    ) -> Mapping[str, KnownThing]:
        """What is stored about things, and about all that these deliveries name."""
        return self._database.read(lambda cursor: known_things(cursor, org, kind, numbers, things))

    def counts(self, org: Organisation) -> list[SourceCounts]:
        """How many deliveries of each source there are, by their state."""

        def read(cursor: Cursor) -> list[SourceCounts]:
            rows = cursor.execute(
                "SELECT kind, source, count(*), "
                "sum(CASE WHEN state = 'ignored' THEN 1 ELSE 0 END), "
                "sum(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), "
                "sum(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), max(received_at_ns) "
                "FROM inbox WHERE org = ? GROUP BY kind, source ORDER BY kind, source",
                (org.key,),
            )
            return [SourceCounts(row[0], row[1], *map(int, row[2:])) for row in rows]

        return self._database.read(read)

    def replay(
        self,
        org: Organisation,
        kind: str,
        source: str,
        number: int | None = None,
        *,
        actor: Actor,
    ) -> Future[int]:
        """Has deliveries of a source read again, one or all of them; how many those are."""
        condition: LiteralString = "org = ? AND kind = ? AND source = ?"
        values = [org.key, kind, source]
        if number is not None:
            condition += " AND number = ?"
            values.append(number)

        def write(cursor: Cursor, recorder: Recorder) -> int:
            rows = cursor.execute(
                "UPDATE inbox SET state = 'waiting', reason = '', replays = replays + 1 "
                f"WHERE {condition} RETURNING number",
                values,
            )
            count = len(rows.fetchall())
            if count:
                # A text: many readers of JSON have no exact numbers from 2^53 on.
                only = {} if number is None else {"delivery": str(number)}
                replayed = {"kind": kind, "deliveries": count, **only}
                recorder.record(org, "source.replayed", source, after=replayed)
            return count

        future = audited(self._database, write, actor, org=org.key)
        future.add_done_callback(lambda _: self.arrived.set())
        return future

    def to_prune(self, before_ns: int, unused_before_ns: int) -> list[Organisation]:
        """The organisations for which `prune` may have something to remove."""

        def read(cursor: Cursor) -> list[Organisation]:
            keys = {org for (org,) in cursor.execute(_ORGS_WITH_OLD, (before_ns,)).fetchall()}
            keys |= orgs_with_old_facts(cursor, before_ns)
            keys |= orgs_with_old_correlations(cursor, unused_before_ns)
            found = (organisation_by_key(cursor, key) for key in sorted(keys))
            return [org for org in found if org is not None]

        return self._database.primary.read(read)

    def prune(
        self, org: Organisation, before_ns: int, unused_before_ns: int, *, actor: Actor
    ) -> Future[int]:
        """Removes some of what an organisation received earlier, facts that never became an event,
        and earlier correlations that no facts refer to.

        What still waits stays. How many rows those are: at least one while there are more. The
        error is `OrganisationBusy` where another process is writing.
        """

        def write(cursor: Cursor) -> int:
            rows = cursor.execute(
                "DELETE FROM inbox WHERE org = ?1 AND number IN (SELECT number FROM inbox "
                "WHERE org = ?1 AND received_at_ns < ?2 AND state <> 'waiting' LIMIT ?3) "
                "RETURNING number",
                (org.key, before_ns, _PRUNED_AT_ONCE),
            ).fetchall()
            facts = prune_facts(cursor, org, before_ns, _PRUNED_AT_ONCE)
            unused = prune_correlations(cursor, org, unused_before_ns, _PRUNED_AT_ONCE)
            return len(rows) + facts + unused

        return self._database.write(write, actor, org=org.key, if_free=True)


def _settled(
    cursor: Cursor,
    org: Organisation,
    readings: Sequence[tuple[StoredDelivery, DeliveryReading]],
) -> set[int]:
    """Settles those that still wait to be read as they were read; the numbers of these."""
    settled: set[int] = set()
    for part in in_equal_parts(readings, _SETTLED_AT_ONCE):
        values = [
            value
            for each, reading in part
            for value in (each.number, each.replays, reading.state, reading.reason)
        ]
        found = cursor.execute(_SETTLE, (*values, org.key))
        settled.update(number for (number,) in found.fetchall())
    return settled


def _correlated(
    cursor: Cursor,
    org: Organisation,
    readings: Sequence[tuple[StoredDelivery, DeliveryReading]],
) -> dict[str, set[str]]:
    """Stores correlations; the things with events that they are about, by the kind of source."""
    found: dict[str, set[str]] = {}
    for each, reading in readings:
        for correlation in reading.correlations:
            put_correlation(cursor, org, correlation, each.number, each.received_at_ns)
            for kind, thing in things_with_key(cursor, org, correlation.key):
                found.setdefault(kind, set()).add(thing)
    return found


def _note_ignored(
    cursor: Cursor,
    org: Organisation,
    readings: Sequence[tuple[StoredDelivery, DeliveryReading]],
    uncounted: Mapping[str, str],
) -> None:
    """Ignores deliveries that are only about things that do not count."""
    about = [
        (each.number, {fact.thing for fact in reading.facts})
        for each, reading in readings
        if reading.facts and not reading.commits
    ]
    cursor.executemany(
        "UPDATE inbox SET state = 'ignored', reason = ? WHERE org = ? AND number = ?",
        [
            ("; ".join(sorted({uncounted[thing] for thing in things})), org.key, number)
            for number, things in about
            if things <= uncounted.keys()
        ],
    )


def _select(
    cursor: Cursor, org: Organisation, condition: LiteralString, values: Sequence[Any]
) -> list[StoredDelivery]:
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM inbox i WHERE i.org = ? AND {condition}", (org.key, *values)
    )
    return [_received(org, row) for row in rows]


def _received(org: Organisation, row: Row) -> StoredDelivery:
    number, kind, source, at_ns, headers, *rest = row
    return StoredDelivery(org, number, kind, source, at_ns, _decode_headers(headers), *rest)
