"""Overrides in the store: set, removed, read, exported and imported."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Literal, NamedTuple

from theodora.errors import Invalid, NotFound, Problem
from theodora.events import Deployment, Failure
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.outbox import queue_patch
from theodora.storage.events.rows import Outcome, Rows, Stored
from theodora.storage.events.tables import FAILURES
from theodora.storage.facts.override_effects import (
    get_override,
    override_values,
    put_override,
    remove_override,
)
from theodora.storage.facts.override_history import (
    MAX_LINKED_FAILURES,
    OverrideAuthor,
    OverrideRecord,
    OverrideValues,
    failure_ids_of,
    link_author,
    override_records,
    override_records_after,
    record_override,
    without_link,
)

_PAGE = 1_000


class OverrideHistory(NamedTuple):
    """The override of a deployment and its history."""

    current: OverrideRecord | None
    """The current override; None if the rules decide."""
    history: tuple[OverrideRecord, ...]
    """Every override set or removed, newest first."""


class FailureLink(NamedTuple):
    """A deployment that caused a failure, and who linked the two."""

    deployment: Deployment
    author: OverrideAuthor


class _Edit(NamedTuple):
    """The override of a deployment inside the transaction that changes it."""

    cursor: Cursor
    recorder: Recorder
    rows: Rows[Deployment]
    org: Organisation
    stored: Stored[Deployment]
    author: OverrideAuthor
    actor: Actor

    @property
    def given(self) -> OverrideValues | None:
        """The values now; None if the rules decide."""
        given = get_override(self.cursor, self.org, self.stored.key)
        return given.values if given else None

    @property
    def records(self) -> tuple[OverrideRecord, ...]:
        return override_records(self.cursor, self.org, self.stored.key)

    def set(self, values: OverrideValues) -> None:
        self._record("verdict.set", values)
        put_override(self.cursor, self.rows, self.org, self.stored, values, self.author)
        record_override(self.cursor, self.org, self.stored.key, values, self.author)
        attributes = values.attributes()
        queue_patch(self.cursor, self.org, self.stored.event, attributes, self.actor)

    def remove(self) -> None:
        self._record("verdict.removed", None)
        remove_override(self.cursor, self.rows, self.org, self.stored)
        record_override(self.cursor, self.org, self.stored.key, None, self.author)

    def _record(
        self, action: Literal["verdict.set", "verdict.removed"], after: OverrideValues | None
    ) -> None:
        given = get_override(self.cursor, self.org, self.stored.key)
        self.recorder.record(
            self.org,
            action,
            self.stored.event.id,
            before=override_values(given),
            after=after.members() if after else None,
            reason=self.author.reason,
        )


class Overrides:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows
        self._failures: Rows[Failure] = Rows(FAILURES)

    def get(self, org: Organisation, id_: str) -> OverrideHistory:
        """Raises `NotFound` where there is no such deployment."""
        return self._database.read(
            lambda cursor: _history(cursor, org, self._found(cursor, org, id_))
        )

    def put(
        self,
        org: Organisation,
        id_: str,
        values: OverrideValues,
        *,
        now_ns: int,
        reason: str = "",
        actor: Actor,
    ) -> Future[OverrideHistory]:
        """Sets an override in place of any earlier one; raises `NotFound` for an unknown
        deployment."""
        author = OverrideAuthor(actor.name, now_ns, reason)
        return self._edited(org, id_, lambda edit: edit.set(values), author, actor)

    def delete(
        self, org: Organisation, id_: str, *, now_ns: int, reason: str = "", actor: Actor
    ) -> Future[OverrideHistory]:
        """Removes the override, so that the rules decide.

        Their effects are derived again; until then there is no verdict, unless they are known to
        have found a failure. Raises `NotFound` where there is no deployment or no verdict.
        """

        def remove(edit: _Edit) -> None:
            if edit.given is None:
                raise NotFound("verdict does not exist")
            edit.remove()

        author = OverrideAuthor(actor.name, now_ns, reason)
        return self._edited(org, id_, remove, author, actor)

    def link(
        self,
        org: Organisation,
        id_: str,
        failure_id: str,
        *,
        now_ns: int,
        reason: str = "",
        actor: Actor,
    ) -> Future[OverrideHistory]:
        """Overrides the verdict of a deployment: it failed, and caused the failure.

        Linking again changes nothing. Raises `NotFound` where one of both does not exist.
        """

        def link(edit: _Edit) -> None:
            if self._failures.find(edit.cursor, org, failure_id) is None:
                raise NotFound("failure does not exist")
            values = edit.given or OverrideValues()
            linked = values.linked(failure_id)
            if len(linked.failure_ids) > MAX_LINKED_FAILURES:
                raise Invalid(
                    Problem(f"a deployment has at most {MAX_LINKED_FAILURES} linked failures")
                )
            if linked != values:
                edit.set(linked)

        author = OverrideAuthor(actor.name, now_ns, reason)
        return self._edited(org, id_, link, author, actor)

    def unlink(
        self,
        org: Organisation,
        id_: str,
        failure_id: str,
        *,
        now_ns: int,
        reason: str = "",
        actor: Actor,
    ) -> Future[OverrideHistory]:
        """Undoes `link`: without other links, the verdict is what it was before the first one.

        The failure need not exist any more. Raises `NotFound` where there is no such link.
        """

        def unlink(edit: _Edit) -> None:
            values = edit.given
            if values is None or failure_id not in values.failure_ids:
                raise NotFound("link does not exist")
            left = without_link(values, failure_id, edit.records)
            if left is None:
                edit.remove()
            else:
                edit.set(left)

        author = OverrideAuthor(actor.name, now_ns, reason)
        return self._edited(org, id_, unlink, author, actor)

    def links(self, org: Organisation, failure_id: str) -> list[FailureLink]:
        """The deployments that are linked to a failure, the one that finished last first."""

        def read(cursor: Cursor) -> list[FailureLink]:
            rows = cursor.execute(
                "SELECT deployment, failure_ids FROM verdicts "
                "WHERE org = ? AND failure_ids IS NOT NULL",
                (org.key,),
            )
            keys = [key for key, ids in rows if failure_id in failure_ids_of(ids)]
            found = self._rows.get_all(cursor, org, keys).values()
            latest_first = sorted(found, key=lambda each: -each.event.finished_at_ns)
            return [
                FailureLink(
                    each.event, link_author(failure_id, override_records(cursor, org, each.key))
                )
                for each in latest_first
            ]

        return self._database.read(read)

    def add(self, org: Organisation, record: OverrideRecord, *, actor: Actor) -> Future[Outcome]:
        """Adds a record of the past; adding it again changes nothing.

        It counts unless a later one is known. Raises `NotFound` where there is no deployment.
        """
        return self._database.write(partial(self._add, org, record), actor, org=org.key)

    def everything(self, org: Organisation) -> Iterator[OverrideRecord]:
        """Every record in the order of recording; what comes in meanwhile is included."""
        number = -1
        while True:
            page = self._database.read(
                partial(override_records_after, org=org, number=number, limit=_PAGE)
            )
            yield from (record for _, record in page)
            if len(page) < _PAGE:
                return
            number = page[-1][0]

    def _add(self, org: Organisation, record: OverrideRecord, cursor: Cursor) -> Outcome:
        stored = self._found(cursor, org, record.deployment_id)
        history = override_records(cursor, org, stored.key)
        if record in history:
            return "unchanged"
        record_override(cursor, org, stored.key, record.values, record.author)
        if record not in override_records(cursor, org, stored.key):
            return "unchanged"
        if not history or history[0].author.at_ns <= record.author.at_ns:
            self._take_effect(cursor, org, stored, record)
        return "added"

    def _take_effect(
        self, cursor: Cursor, org: Organisation, stored: Stored[Deployment], record: OverrideRecord
    ) -> None:
        if record.values is not None:
            put_override(cursor, self._rows, org, stored, record.values, record.author)
        elif get_override(cursor, org, stored.key) is not None:
            remove_override(cursor, self._rows, org, stored)

    def _edited(
        self,
        org: Organisation,
        id_: str,
        change: Callable[[_Edit], None],
        author: OverrideAuthor,
        actor: Actor,
    ) -> Future[OverrideHistory]:
        def write(cursor: Cursor, recorder: Recorder) -> OverrideHistory:
            stored = self._found(cursor, org, id_)
            change(_Edit(cursor, recorder, self._rows, org, stored, author, actor))
            return _history(cursor, org, stored)

        return audited(self._database, write, actor, org=org.key)

    def _found(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[Deployment]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        return stored


def _history(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> OverrideHistory:
    given = get_override(cursor, org, stored.key)
    current = None if given is None else OverrideRecord(stored.event.id, *given)
    return OverrideHistory(current, override_records(cursor, org, stored.key))
