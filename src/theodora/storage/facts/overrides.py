"""Overrides in the store: set, removed, read, exported and imported."""

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

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
    """Every verdict given or taken back, newest first."""


class FailureLink(NamedTuple):
    """A deployment that caused a failure, and who linked the two."""

    deployment: Deployment
    author: OverrideAuthor


class Overrides:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows
        self._failures: Rows[Failure] = Rows(FAILURES)

    def get(self, org: Organisation, id_: str) -> OverrideHistory:
        """Raises `NotFound` where there is no such deployment."""
        return self._database.read(
            lambda cursor: _judged(cursor, org, self._found(cursor, org, id_))
        )

    def put(
        self,
        org: Organisation,
        id_: str,
        verdict: OverrideValues,
        *,
        now_ns: int,
        reason: str = "",
        actor: Actor,
    ) -> Future[OverrideHistory]:
        """Sets an override in place of any earlier one; raises `NotFound` for an unknown
        deployment."""

        author = OverrideAuthor(actor.name, now_ns, reason)

        def write(cursor: Cursor, recorder: Recorder) -> OverrideHistory:
            stored = self._found(cursor, org, id_)
            self._set(cursor, org, stored, verdict, author, actor, recorder)
            return _judged(cursor, org, stored)

        return audited(self._database, write, actor, org=org.key)

    def delete(
        self, org: Organisation, id_: str, *, now_ns: int, reason: str = "", actor: Actor
    ) -> Future[None]:
        """Removes the override, so that the rules decide.

        Their effects are derived again; until then there is no verdict, unless they are known to
        have found a failure. Raises `NotFound` where there is no deployment or no verdict.
        """

        author = OverrideAuthor(actor.name, now_ns, reason)

        def write(cursor: Cursor, recorder: Recorder) -> None:
            stored = self._found(cursor, org, id_)
            if get_override(cursor, org, stored.key) is None:
                raise NotFound("verdict does not exist")
            self._remove(cursor, org, stored, author, recorder)

        return audited(self._database, write, actor, org=org.key)

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
        author = OverrideAuthor(actor.name, now_ns, reason)

        def write(cursor: Cursor, recorder: Recorder) -> OverrideHistory:
            stored = self._found(cursor, org, id_)
            if self._failures.find(cursor, org, failure_id) is None:
                raise NotFound("failure does not exist")
            given = get_override(cursor, org, stored.key)
            verdict = given.verdict if given else OverrideValues()
            linked = verdict.linked(failure_id)
            if len(linked.failure_ids) > MAX_LINKED_FAILURES:
                raise Invalid(
                    Problem(f"a deployment has at most {MAX_LINKED_FAILURES} linked failures")
                )
            if linked != verdict:
                self._set(cursor, org, stored, linked, author, actor, recorder)
            return _judged(cursor, org, stored)

        return audited(self._database, write, actor, org=org.key)

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
        author = OverrideAuthor(actor.name, now_ns, reason)

        def write(cursor: Cursor, recorder: Recorder) -> OverrideHistory:
            stored = self._found(cursor, org, id_)
            given = get_override(cursor, org, stored.key)
            if given is None or failure_id not in given.verdict.failure_ids:
                raise NotFound("link does not exist")
            verdict = without_link(
                given.verdict, failure_id, override_records(cursor, org, stored.key)
            )
            if verdict is None:
                self._remove(cursor, org, stored, author, recorder)
            else:
                self._set(cursor, org, stored, verdict, author, actor, recorder)
            return _judged(cursor, org, stored)

        return audited(self._database, write, actor, org=org.key)

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

    def add(self, org: Organisation, act: OverrideRecord, *, actor: Actor) -> Future[Outcome]:
        """Adds a record of the past; adding it again changes nothing.

        It counts unless a later one is known. Raises `NotFound` where there is no deployment.
        """
        return self._database.write(partial(self._add, org, act), actor, org=org.key)

    def everything(self, org: Organisation) -> Iterator[OverrideRecord]:
        """Every act in the order of recording; what comes in meanwhile is included."""
        number = -1
        while True:
            page = self._database.read(
                partial(override_records_after, org=org, number=number, limit=_PAGE)
            )
            yield from (act for _, act in page)
            if len(page) < _PAGE:
                return
            number = page[-1][0]

    def _add(self, org: Organisation, act: OverrideRecord, cursor: Cursor) -> Outcome:
        stored = self._found(cursor, org, act.deployment_id)
        history = override_records(cursor, org, stored.key)
        if act in history:
            return "unchanged"
        record_override(cursor, org, stored.key, act.verdict, act.author)
        if act not in override_records(cursor, org, stored.key):
            return "unchanged"
        if not history or history[0].author.at_ns <= act.author.at_ns:
            self._take_effect(cursor, org, stored, act)
        return "added"

    def _take_effect(
        self, cursor: Cursor, org: Organisation, stored: Stored[Deployment], act: OverrideRecord
    ) -> None:
        if act.verdict is not None:
            put_override(cursor, self._rows, org, stored, act.verdict, act.author)
        elif get_override(cursor, org, stored.key) is not None:
            remove_override(cursor, self._rows, org, stored)

    def _set(
        self,
        cursor: Cursor,
        org: Organisation,
        stored: Stored[Deployment],
        verdict: OverrideValues,
        author: OverrideAuthor,
        actor: Actor,
        recorder: Recorder,
    ) -> None:
        before = override_values(get_override(cursor, org, stored.key))
        recorder.record(
            org,
            "verdict.set",
            stored.event.id,
            before=before,
            after=verdict.members(),
            reason=author.reason,
        )
        put_override(cursor, self._rows, org, stored, verdict, author)
        record_override(cursor, org, stored.key, verdict, author)
        queue_patch(cursor, org, stored.event, verdict.attributes(), actor)

    def _remove(
        self,
        cursor: Cursor,
        org: Organisation,
        stored: Stored[Deployment],
        author: OverrideAuthor,
        recorder: Recorder,
    ) -> None:
        recorder.record(
            org,
            "verdict.removed",
            stored.event.id,
            before=override_values(get_override(cursor, org, stored.key)),
            reason=author.reason,
        )
        remove_override(cursor, self._rows, org, stored)
        record_override(cursor, org, stored.key, None, author)

    def _found(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[Deployment]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        return stored


def _judged(cursor: Cursor, org: Organisation, stored: Stored[Deployment]) -> OverrideHistory:
    given = get_override(cursor, org, stored.key)
    current = None if given is None else OverrideRecord(stored.event.id, *given)
    return OverrideHistory(current, override_records(cursor, org, stored.key))
