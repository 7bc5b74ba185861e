"""Failures in the store."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future

from theodora.events import Failure
from theodora.storage.access.key_limits import NO_LIMITS, KeyLimits
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.event_store import Events
from theodora.storage.events.default_team import with_team
from theodora.storage.events.outbox import queue_delete, queue_put
from theodora.storage.events.rows import Rows, Stored, Upserted
from theodora.storage.events.tables import FAILURES
from theodora.storage.events.usage import UNLIMITED, Quotas
from theodora.storage.facts.derivation_queue import queue_service
from theodora.storage.facts.settings import ProductionTrees, effective_settings
from theodora.storage.facts.source_facts import drop_facts


class Failures(Events[Failure]):
    """See `Events`."""

    def __init__(
        self, database: Database, production: ProductionTrees, quotas: Quotas = UNLIMITED
    ) -> None:
        super().__init__(database, production, FAILURES, quotas)

    def add(
        self,
        org: Organisation,
        failure: Failure,
        now_ns: int,
        *,
        may_be_late: bool = False,
        limits: KeyLimits = NO_LIMITS,
        actor: Actor,
    ) -> Future[Upserted[Failure]]:
        """Adds or replaces; the future has the outcome once it is durable, or `OverQuota`.

        It has `KeyLimited` if it would replace an event beyond the limits.
        One that may be late does not reopen a failure that was restored after it opened.
        """
        merge = Failure.unless_late if may_be_late else None

        def write(cursor: Cursor) -> Upserted[Failure]:
            placed = put_failure(cursor, self._rows, org, failure, now_ns, merge)
            if placed.before is not None:
                limits.require_event(placed.before.event)
            queue_put(cursor, org, placed, actor)
            return placed

        return self._database.write(write, actor, org=org.key)

    def close(
        self, org: Organisation, closed: Failure, now_ns: int, *, actor: Actor
    ) -> Future[None]:
        """Replaces a failure by itself with its end."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            placed = put_failure(cursor, self._rows, org, closed, now_ns)
            ended = {"finished_at_ns": closed.finished_at_ns}
            recorder.record(org, "failure.closed", closed.id, after=ended)
            queue_put(cursor, org, placed, actor)

        return audited(self._database, write, actor, org=org.key)

    def delete(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Raises `NotFound` for an unknown failure."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            stored = self._found(cursor, org, id_)
            recorder.record(org, "failure.deleted", id_)
            remove_failure(cursor, self._rows, org, stored)
            queue_delete(cursor, org, stored.event, actor)

        return audited(self._database, write, actor, org=org.key)


def put_failure(
    cursor: Cursor,
    rows: Rows[Failure],
    org: Organisation,
    failure: Failure,
    now_ns: int,
    merge: Callable[[Failure, Failure], Failure] | None = None,
) -> Upserted[Failure]:
    """Adds or replaces a failure, and marks the services that it may change."""
    placed = rows.put(cursor, org, with_team(cursor, org, failure), now_ns, merge)
    if placed.outcome != "unchanged":
        _mark(cursor, org, placed.states)
    return placed


def remove_failure(
    cursor: Cursor, rows: Rows[Failure], org: Organisation, stored: Stored[Failure]
) -> None:
    """Removes a failure with its facts."""
    drop_facts(cursor, org, stored.event.id)
    rows.remove(cursor, org, stored)
    _mark(cursor, org, [stored])


def _mark(cursor: Cursor, org: Organisation, states: Iterable[Stored[Failure]]) -> None:
    """Marks the services whose settings let failures mark deployments."""
    services = {service for state in states for service in state.event.services}
    for service in sorted(services):
        if effective_settings(cursor, org, service).incident_marks_failure:
            queue_service(cursor, org, service)
