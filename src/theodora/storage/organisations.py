"""Organisations: made, listed, and deleted after a delay in which that can be taken back.

Nobody can use an organisation from the moment that its deletion is planned. All of it stays until
the deletion begins, so that taking it back restores everything.
"""

import time
from concurrent.futures import Future
from functools import partial
from typing import LiteralString, NamedTuple

import structlog

from theodora.errors import Invalid, NotFound, OrganisationBusy, Problem
from theodora.events import format_rfc3339
from theodora.storage.copy.tables import CopiedTable
from theodora.storage.deletion_guards import (
    DAY_NS,
    GoOn,
    Guards,
    RefusedRound,
    Unconfirmed,
    begin_round,
    is_confirmed,
    put_refusal,
)
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import (
    SELECT_AUDIT_ENTRIES,
    Recorder,
    audit_entry,
    audited,
    chain_of,
    ensure_recorded,
)
from theodora.storage.engine.cursor import Cursor, Row, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import (
    NO_ORGANISATION,
    Deletion,
    Organisation,
    change_state,
    deletion_of,
    find_organisation,
    organisation_by_key,
)
from theodora.storage.erasure import erase_sequences, erase_some, erased_tables
from theodora.storage.facts.derivation_queue import queue_organisation

log = structlog.get_logger()

LASTING = "default"
"""The organisation that every server makes when it starts."""
MAX_NAME = 200
"""Characters in the name of a new organisation."""


class Holdings(NamedTuple):
    """What an organisation has."""

    deployments: int
    failures: int
    commits: int
    keys: int

    @property
    def events(self) -> int:
        return self.deployments + self.failures


class OrganisationRecord(NamedTuple):
    """An organisation, and its deletion if that is planned."""

    organisation: Organisation
    created_at_ns: int
    deletion: Deletion | None
    refusal: RefusedRound | None
    """Why the last round deleted nothing of it, if it should have."""


class Organisations:
    """Every method but `everything`, `deleted` and `delete_due` is about one organisation."""

    def __init__(self, database: Database, guards: Guards | None = None) -> None:
        self.guards = guards or Guards()
        self._database = database

    def everything(self) -> list[OrganisationRecord]:
        """All that there are, in order of their names."""
        return self._database.read(_all)

    def get(self, name: str) -> OrganisationRecord:
        """The one of this name, also if it is to be deleted; raises `NotFound`."""
        return self._database.read(partial(_get, name))

    def create(self, name: str, now_ns: int, *, actor: Actor) -> Future[Organisation]:
        """Raises `Invalid` for a name that cannot be used, or that is in use."""
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
            raise Invalid(
                Problem(f"a name has 1 to {MAX_NAME} printable characters, no space at its ends")
            )

        def write(cursor: Cursor, recorder: Recorder) -> Organisation:
            if find_organisation(cursor, name):
                raise Invalid(Problem(f'there is an organisation "{name}" already'))
            return ensure_recorded(cursor, recorder, name, now_ns)

        return audited(self._database, write, actor, org=NO_ORGANISATION)

    def holdings(self, org: Organisation) -> Holdings:
        """What would be deleted with it."""
        return self._database.read(partial(_holdings, org))

    def plan_deletion(
        self, org: Organisation, now_ns: int, confirmed: int | None, *, actor: Actor
    ) -> Future[Deletion | Unconfirmed]:
        """Closes the organisation at once, and plans to delete it.

        `confirmed` is the number of its events, which whoever asks has seen. Raises `Invalid` for
        the organisation that every server makes. One that is planned stays as it is.
        """
        if org.name == LASTING:
            raise Invalid(
                Problem(
                    f'organisation "{LASTING}" cannot be deleted: every server makes it when it '
                    "starts. Shorten its retention to delete its events"
                )
            )

        def write(cursor: Cursor, recorder: Recorder) -> Deletion | Unconfirmed:
            planned = deletion_of(cursor, org)
            if planned:
                return planned
            events = _holdings(org, cursor).events
            if confirmed is None or not is_confirmed(events, confirmed):
                return Unconfirmed(events)
            deletion = Deletion(now_ns + self.guards.organisation_days * DAY_NS)
            cursor.execute(
                "INSERT INTO organisation_deletions (org, uuid, begins_at_ns) VALUES (?, ?, ?)",
                (org.key, org.uuid, deletion.begins_at_ns),
            )
            after = {"begins_at": format_rfc3339(deletion.begins_at_ns), "events": events}
            recorder.record(org, "organisation.deletion_planned", org.name, after=after)
            # Its keys open nothing from now on.
            change_state(cursor)
            return deletion

        return audited(self._database, write, actor, org=org.key)

    def take_back(self, org: Organisation, *, actor: Actor) -> Future[None]:
        """Lets everybody use the organisation again; raises `Invalid` if it is too late for that,
        or if no deletion is planned."""
        return audited(self._database, partial(_take_back, org), actor, org=org.key)

    def delete_due(self, now_ns: int, go_on: GoOn = lambda _: True, *, actor: Actor) -> int:
        """Deletes the organisations whose time has come; returns how many are gone.

        Continues what was interrupted. `go_on` is as in `Retention.remove_old`, whose guard of the
        clock applies here too.
        """
        if begin_round(self._database, now_ns, self.guards, actor):
            return 0
        due = self._database.primary.read(partial(_due, now_ns))
        return sum(self._delete(org, now_ns, go_on, actor) for org in due)

    def deleted(self) -> list[str]:
        """The UUIDs of those that are gone: folders of theirs can be removed."""
        return self._database.read(_deleted)

    def _delete(self, org: Organisation, now_ns: int, go_on: GoOn, actor: Actor) -> bool:
        """Whether it is gone; not if another process keeps it from being written."""
        begin = partial(_begin, org, now_ns)
        try:
            if audited(self._database, begin, actor, org=org.key, if_free=True).result():
                return self._erase(org, now_ns, go_on, actor)
        except OrganisationBusy as error:
            log.info("an organisation is deleted later", organisation=org.name, reason=str(error))
        return False

    def _erase(self, org: Organisation, now_ns: int, go_on: GoOn, actor: Actor) -> bool:
        """Whether everything is deleted, and not only what there was time for."""
        is_gone = False
        while not is_gone:
            for table in erased_tables():
                if not self._erase_table(table, org, go_on, actor):
                    return False
            # What came meanwhile, of a write that was under way, goes in another turn.
            finish = partial(_finish, org, now_ns)
            finished = audited(self._database, finish, actor, org=org.key, if_free=True)
            is_gone = finished.result()
        log.info("deleted an organisation", organisation=org.name)
        return True

    def _erase_table(
        self, table: CopiedTable, org: Organisation, go_on: GoOn, actor: Actor
    ) -> bool:
        """Whether all rows are deleted, and it was not told to stop before."""
        began = time.perf_counter()
        erase = partial(erase_some, table=table, org=org)
        while self._database.write(erase, actor, org=org.key, if_free=True).result():
            if not go_on(time.perf_counter() - began):
                return False
            began = time.perf_counter()
        return True


def _all(cursor: Cursor) -> list[OrganisationRecord]:
    rows = cursor.execute(f"{_SELECT} ORDER BY o.name").fetchall()
    return [_record(row) for row in rows]


def _get(name: str, cursor: Cursor) -> OrganisationRecord:
    row = cursor.execute(f"{_SELECT} WHERE o.name = ?", (name,)).fetchone()
    if row is None:
        raise NotFound(f'there is no organisation "{name}"')
    return _record(row)


_SELECT: LiteralString = (
    "SELECT o.org, o.uuid, o.name, o.created_at_ns, d.begins_at_ns, d.begun_at_ns IS NOT NULL, "
    "r.at_ns, r.reason FROM organisations o LEFT JOIN organisation_deletions d USING (org) "
    "LEFT JOIN retention_refusals r USING (org)"
)


def _record(row: Row) -> OrganisationRecord:
    key, uuid, name, created_at_ns, begins_at_ns, has_begun, refused_at_ns, reason = row
    return OrganisationRecord(
        Organisation(key, uuid, name),
        created_at_ns,
        None if begins_at_ns is None else Deletion(begins_at_ns, bool(has_begun)),
        None if refused_at_ns is None else RefusedRound(refused_at_ns, reason),
    )


def _holdings(org: Organisation, cursor: Cursor) -> Holdings:
    counts = (only_value(cursor.execute(count, (org.key,))) for count in _COUNTS)
    return Holdings(*counts)


_COUNTS: tuple[LiteralString, ...] = (
    "SELECT count(*) FROM deployments WHERE org = ?",
    "SELECT count(*) FROM failures WHERE org = ?",
    "SELECT count(*) FROM commits WHERE org = ?",
    "SELECT count(*) FROM keys WHERE org = ? AND revoked_at_ns IS NULL",
)
"""In the order of `Holdings`."""


def _take_back(org: Organisation, cursor: Cursor, recorder: Recorder) -> None:
    deletion = deletion_of(cursor, org)
    if deletion is None:
        raise Invalid(Problem(f'organisation "{org.name}" is not to be deleted'))
    if deletion.has_begun:
        raise Invalid(Problem(f'organisation "{org.name}" is being deleted: it is too late'))
    cursor.execute("DELETE FROM organisation_deletions WHERE org = ?", (org.key,))
    put_refusal(cursor, org, None)
    before = {"begins_at": format_rfc3339(deletion.begins_at_ns)}
    recorder.record(org, "organisation.deletion_withdrawn", org.name, before=before)
    change_state(cursor)


def _due(now_ns: int, cursor: Cursor) -> list[Organisation]:
    """The organisations to delete now, those that were begun first."""
    rows = cursor.execute(
        "SELECT o.org, o.uuid, o.name FROM organisation_deletions d JOIN organisations o "
        "USING (org) WHERE d.begins_at_ns <= ? OR d.begun_at_ns IS NOT NULL "
        "ORDER BY d.begun_at_ns IS NULL, d.begun_at_ns, o.org",
        (now_ns,),
    ).fetchall()
    return [Organisation(*row) for row in rows]


def _begin(org: Organisation, now_ns: int, cursor: Cursor, recorder: Recorder) -> bool:
    """Whether the organisation is still to be deleted; from now on that cannot be taken back."""
    deletion = deletion_of(cursor, org)
    if deletion is None or organisation_by_key(cursor, org.key) is None:
        return False
    if not deletion.has_begun:
        cursor.execute(
            "UPDATE organisation_deletions SET begun_at_ns = ? WHERE org = ?", (now_ns, org.key)
        )
        _record_begun(cursor, recorder, org)
        # What is left of it is no longer derived from the same events: theodora check skips it.
        queue_organisation(cursor, org)
    return True


def _record_begun(cursor: Cursor, recorder: Recorder, org: Organisation) -> None:
    """Records that it is being deleted where that stays: its own log is deleted with it.

    Its name is deleted too, so the entry has its UUID.
    """
    row = cursor.execute(
        f"{SELECT_AUDIT_ENTRIES} WHERE org = ? AND action = 'organisation.deletion_planned' "
        "ORDER BY number DESC LIMIT 1",
        (org.key,),
    ).fetchone()
    # One that was planned by an older version has no entry.
    who = audit_entry(row).actor if row else Actor("worker", "unknown")
    chain = chain_of(cursor, org.key)
    log_of_it = {"entries": chain.last_number, "last_hash": chain.last_hash}
    by = {"kind": who.kind, "name": who.name, "id": who.id, "address": who.address}
    after = {"planned_by": by, "audit_log": log_of_it}
    change_state(cursor)
    recorder.record(None, "organisation.deletion_begun", org.uuid, after=after)


def _finish(org: Organisation, now_ns: int, cursor: Cursor, recorder: Recorder) -> bool:
    """Deletes the organisation itself, unless there are too many rows of it for one transaction."""
    more = [erase_some(cursor, table, org) for table in erased_tables()]
    if any(more):
        return False
    erase_sequences(cursor, org)
    cursor.execute("DELETE FROM counters WHERE org = ?", (org.key,))
    cursor.execute("DELETE FROM organisations WHERE org = ?", (org.key,))
    cursor.execute(
        "UPDATE organisation_deletions SET finished_at_ns = ? WHERE org = ?", (now_ns, org.key)
    )
    change_state(cursor)
    recorder.record(None, "organisation.deleted", org.uuid)
    return True


def _deleted(cursor: Cursor) -> list[str]:
    rows = cursor.execute(
        "SELECT uuid FROM organisation_deletions WHERE finished_at_ns IS NOT NULL ORDER BY org"
    ).fetchall()
    return [uuid for (uuid,) in rows]
