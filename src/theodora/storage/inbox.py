"""The inbox of webhooks: received bodies, durable before they are acknowledged, and read later."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, LiteralString, NamedTuple, get_args

import msgspec

from theodora.errors import NotFound
from theodora.events import Deployment, Failure
from theodora.storage.deployments import put_deployment, remove_deployment
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Rows, next_receipt
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.usage import UNLIMITED, Quotas
from theodora.storage.facts.commits import put_guessed_commits, put_pull_request
from theodora.storage.facts.correlations import (
    Correlation,
    correlations_about,
    put_correlation,
    things_with_key,
)
from theodora.storage.facts.source_facts import (
    PULL_REQUEST,
    Fold,
    Folded,
    RepositoryCommits,
    RepositoryPullRequest,
    SourceFact,
    event_about,
    facts_about,
    note_event,
    prune_facts,
    replace_facts,
)
from theodora.storage.failures import put_failure, remove_failure

DeliveryState = Literal["waiting", "done", "ignored", "failed"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)

_PRUNED_AT_ONCE = 200
_COLUMNS: LiteralString = (
    "i.number, i.kind, i.source, i.received_at_ns, i.headers, i.body, i.state, i.reason, i.replays"
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
    """Which deliveries of a source to list; newest first, at most `limit` of them."""

    kind: str
    source: str
    state: DeliveryState | None = None
    before: int | None = None
    """Only deliveries with a smaller number."""
    limit: int = 50


class Inbox:
    """Every method but `waiting` and `prune` is about one organisation and sees no other."""

    def __init__(self, database: Database, quotas: Quotas = UNLIMITED) -> None:
        self._database = database
        self._quotas = quotas
        self._deployments = Rows(DEPLOYMENTS, quotas)
        self._failures = Rows(FAILURES, quotas)
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
            number = next_receipt(cursor)
            cursor.execute(
                "INSERT INTO inbox "
                "(org, number, kind, source, received_at_ns, headers, body, state, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', '')",
                (org.key, number, kind, source, now_ns, encoded, body),
            )
            return number

        future = self._database.write(write, actor)
        future.add_done_callback(lambda _: self.arrived.set())
        return future

    def waiting(self, each: int) -> list[StoredDelivery]:
        """At most `each` deliveries of every organisation in use, oldest first."""
        return self._database.primary.read(
            lambda cursor: [
                received
                for org in _organisations_that_wait(cursor)
                for received in _select(
                    cursor, org, "i.state = 'waiting' ORDER BY i.number LIMIT ?", (each,)
                )
            ]
        )

    def settle(
        self,
        received: StoredDelivery,
        reading: DeliveryReading,
        fold: Fold,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[bool]:
        """Stores what a delivery says, and what follows; whether it still waited for that.

        Events are what `fold` makes of all facts about a thing and of its correlations. The future
        has the error of `fold`, or `OverQuota`, and then nothing is stored.
        """
        org, number = received.organisation, received.number

        def write(cursor: Cursor) -> bool:
            settled = cursor.execute(
                "UPDATE inbox SET state = ?, reason = ? WHERE org = ? AND number = ? "
                "AND state = 'waiting' AND replays = ? RETURNING number",
                (reading.state, reading.reason, org.key, number, received.replays),
            )
            if settled.fetchone() is None:
                return False
            found = replace_facts(cursor, org, received.kind, number, reading.facts)
            things = {(received.kind, thing) for thing in found}
            for each in reading.correlations:
                put_correlation(cursor, org, each, number)
                things.update(things_with_key(cursor, org, each.key))
            for kind, thing in sorted(things):
                self._compute(cursor, org, kind, thing, fold, now_ns)
            for each in reading.commits:
                put_guessed_commits(cursor, org, each.repository_id, each.commits, self._quotas)
            return True

        return self._database.write(write, actor)

    def select(self, org: Organisation, query: InboxQuery) -> list[StoredDelivery]:
        """Deliveries of a source, newest first."""
        condition: LiteralString = "i.kind = ? AND i.source = ?"
        values: list[Any] = [query.kind, query.source]
        if query.state is not None:
            condition += " AND i.state = ?"
            values.append(query.state)
        if query.before is not None:
            condition += " AND i.number < ?"
            values.append(query.before)
        condition += " ORDER BY i.number DESC LIMIT ?"
        values.append(query.limit)
        return self._database.read(lambda cursor: _select(cursor, org, condition, values))

    def get(self, org: Organisation, number: int) -> StoredDelivery:
        """Raises `NotFound` where there is no such delivery."""

        def read(cursor: Cursor) -> StoredDelivery:
            found = _select(cursor, org, "i.number = ?", (number,))
            if not found:
                raise NotFound(f"there is no delivery {number}")
            return found[0]

        return self._database.read(read)

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

        def write(cursor: Cursor) -> int:
            rows = cursor.execute(
                "UPDATE inbox SET state = 'waiting', reason = '', replays = replays + 1 "
                f"WHERE {condition} RETURNING number",
                values,
            )
            return len(rows.fetchall())

        future = self._database.write(write, actor)
        future.add_done_callback(lambda _: self.arrived.set())
        return future

    def prune(self, before_ns: int, *, actor: Actor) -> Future[int]:
        """Removes some of what was received earlier, and facts that never became an event.

        What still waits stays. How many rows those are: at least one while there are more.
        """

        def write(cursor: Cursor) -> int:
            rows = cursor.execute(
                "SELECT org, number FROM inbox WHERE received_at_ns < ? AND state <> 'waiting' "
                "LIMIT ?",
                (before_ns, _PRUNED_AT_ONCE),
            ).fetchall()
            cursor.executemany("DELETE FROM inbox WHERE org = ? AND number = ?", rows)
            return len(rows) + prune_facts(cursor, before_ns, _PRUNED_AT_ONCE)

        return self._database.write(write, actor)

    def _compute(
        self, cursor: Cursor, org: Organisation, kind: str, thing: str, fold: Fold, now_ns: int
    ) -> None:
        """Makes the event of a thing what its facts add up to now."""
        documents = facts_about(cursor, org, kind, thing)
        correlations = correlations_about(cursor, org, kind, thing)
        folded = fold(kind, thing, documents, correlations) if documents else None
        former = event_about(cursor, org, kind, thing)
        if former and not self._is_in_place(cursor, org, former, folded):
            # Its facts stay, so they are no longer those of the event that goes.
            note_event(cursor, org, kind, thing, None, now_ns)
            self._remove(cursor, org, former)
        note_event(cursor, org, kind, thing, self._put(cursor, org, folded, now_ns), now_ns)

    def _is_in_place(
        self, cursor: Cursor, org: Organisation, former: str, folded: Folded | None
    ) -> bool:
        """Whether putting the event now replaces the former one; it may be of another service."""
        if isinstance(folded, Deployment):
            deployment = self._deployments.find(cursor, org, former)
            return deployment is not None and folded.shares_id_with(deployment.event)
        if isinstance(folded, Failure):
            failure = self._failures.find(cursor, org, former)
            return failure is not None and folded.shares_id_with(failure.event)
        return False

    def _put(
        self, cursor: Cursor, org: Organisation, folded: Folded | None, now_ns: int
    ) -> str | None:
        match folded:
            case Deployment():
                placed = put_deployment(cursor, self._deployments, org, folded, now_ns)
                return placed.now.event.id
            case Failure():
                return put_failure(cursor, self._failures, org, folded, now_ns).now.event.id
            case RepositoryPullRequest(repository_id, pull_request):
                put_pull_request(cursor, org, repository_id, pull_request, self._quotas)
                return PULL_REQUEST
            case None:
                return None

    def _remove(self, cursor: Cursor, org: Organisation, id_: str) -> None:
        if deployment := self._deployments.find(cursor, org, id_):
            remove_deployment(cursor, self._deployments, org, deployment)
        elif failure := self._failures.find(cursor, org, id_):
            remove_failure(cursor, self._failures, org, failure)


def _organisations_that_wait(cursor: Cursor) -> list[Organisation]:
    rows = cursor.execute(
        "SELECT o.org, o.uuid, o.name FROM organisations o WHERE EXISTS ("
        "SELECT 1 FROM inbox i WHERE i.org = o.org AND i.state = 'waiting') AND NOT EXISTS ("
        "SELECT 1 FROM organisation_deletions d WHERE d.org = o.org) ORDER BY o.org"
    )
    return [Organisation(*row) for row in rows.fetchall()]


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
