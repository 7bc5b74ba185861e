"""Failures in the store."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future

from theodora.errors import NotFound
from theodora.events import Failure
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.default_team import with_team
from theodora.storage.events.rows import Rows, Stored, Upserted
from theodora.storage.events.tables import FAILURES
from theodora.storage.facts.derivation_queue import queue_service
from theodora.storage.facts.settings import effective_settings
from theodora.storage.search.planner import DocumentPage, Selection, select_documents, select_events


class Failures:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = Rows(FAILURES)

    def add(
        self, org: Organisation, failure: Failure, now_ns: int, *, may_be_late: bool = False
    ) -> Future[Upserted[Failure]]:
        """Adds or replaces; the future says what became of it, once that is durable.

        One that may be late does not reopen a failure that was restored after it opened.
        """
        merge = Failure.unless_late if may_be_late else None

        def write(cursor: Cursor) -> Upserted[Failure]:
            event = with_team(cursor, org, failure)
            placed = self._rows.put(cursor, org, event, now_ns, merge)
            if placed.outcome != "unchanged":
                _mark(cursor, org, placed.states)
            return placed

        return self._database.write(write)

    def get(self, org: Organisation, id_: str) -> Failure:
        """Raises `NotFound` where there is no such failure."""
        return self._database.read(lambda cursor: self._found(cursor, org, id_).event)

    def select(self, org: Organisation, selection: Selection) -> list[Failure]:
        return self._database.read(lambda cursor: select_events(cursor, FAILURES, org, selection))

    def last_received(self, org: Organisation) -> Failure | None:
        """The one that was new last, or one of those."""

        def read(cursor: Cursor) -> Failure | None:
            row = cursor.execute(
                f"SELECT {FAILURES.select} FROM failures e WHERE e.org = ? "
                "ORDER BY e.created_at_ns DESC LIMIT 1",
                (org.key,),
            ).fetchone()
            return FAILURES.from_row(row) if row else None

        return self._database.read(read)

    def everything(self, org: Organisation) -> Iterator[Failure]:
        """Every one, in order of first receipt; what comes in meanwhile is included."""
        return self._rows.everything(self._database.read, org)

    def documents(self, org: Organisation, selection: Selection) -> DocumentPage:
        """The same, as responses write them."""
        return self._database.read(
            lambda cursor: select_documents(cursor, FAILURES, org, selection)
        )

    def count(self, org: Organisation | None = None) -> int:
        """How many there are, in one organisation or in all."""
        return self._database.read(lambda cursor: self._rows.count(cursor, org))

    def delete(self, org: Organisation, id_: str) -> Future[None]:
        """Raises `NotFound` where there is no such failure."""

        def write(cursor: Cursor) -> None:
            remove_failure(cursor, self._rows, org, self._found(cursor, org, id_))

        return self._database.write(write)

    def _found(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[Failure]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("failure does not exist")
        return stored


def remove_failure(
    cursor: Cursor, rows: Rows[Failure], org: Organisation, stored: Stored[Failure]
) -> None:
    rows.remove(cursor, org, stored)
    _mark(cursor, org, [stored])


def _mark(cursor: Cursor, org: Organisation, states: Iterable[Stored[Failure]]) -> None:
    """Marks the services whose settings let failures mark deployments."""
    services = {service for state in states for service in state.event.services}
    for service in sorted(services):
        if effective_settings(cursor, org, service).incident_marks_failure:
            queue_service(cursor, org, service)
