"""Overrides in the store: set, removed, read, exported and imported."""

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Outcome, Rows, Stored
from theodora.storage.facts.override_effects import get_override, put_override, remove_override
from theodora.storage.facts.override_history import (
    OverrideAuthor,
    OverrideRecord,
    OverrideValues,
    override_records,
    override_records_after,
    record_override,
)

_PAGE = 1_000


class OverrideHistory(NamedTuple):
    """The override of a deployment and its history."""

    current: OverrideRecord | None
    """The current override; None if the rules decide."""
    history: tuple[OverrideRecord, ...]
    """Every verdict given or taken back, newest first."""


class Overrides:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows

    def get(self, org: Organisation, id_: str) -> OverrideHistory:
        """Raises `NotFound` where there is no such deployment."""
        return self._database.read(lambda cursor: _judged(cursor, self._found(cursor, org, id_)))

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

        def write(cursor: Cursor) -> OverrideHistory:
            stored = self._found(cursor, org, id_)
            put_override(cursor, self._rows, org, stored, verdict, author)
            record_override(cursor, org, stored.key, verdict, author)
            return _judged(cursor, stored)

        return self._database.write(write, actor)

    def delete(
        self, org: Organisation, id_: str, *, now_ns: int, reason: str = "", actor: Actor
    ) -> Future[None]:
        """Removes the override, so that the rules decide.

        Their effects are derived again; until then there is no verdict, unless they are known to
        have found a failure. Raises `NotFound` where there is no deployment or no verdict.
        """

        author = OverrideAuthor(actor.name, now_ns, reason)

        def write(cursor: Cursor) -> None:
            stored = self._found(cursor, org, id_)
            if get_override(cursor, stored.key) is None:
                raise NotFound("verdict does not exist")
            remove_override(cursor, self._rows, org, stored)
            record_override(cursor, org, stored.key, None, author)

        return self._database.write(write, actor)

    def add(self, org: Organisation, act: OverrideRecord, *, actor: Actor) -> Future[Outcome]:
        """Adds a record of the past; adding it again changes nothing.

        It counts unless a later one is known. Raises `NotFound` where there is no deployment.
        """
        return self._database.write(partial(self._add, org, act), actor)

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
        history = override_records(cursor, stored.key)
        if act in history:
            return "unchanged"
        record_override(cursor, org, stored.key, act.verdict, act.author)
        if act not in override_records(cursor, stored.key):
            return "unchanged"
        if not history or history[0].author.at_ns <= act.author.at_ns:
            self._take_effect(cursor, org, stored, act)
        return "added"

    def _take_effect(
        self, cursor: Cursor, org: Organisation, stored: Stored[Deployment], act: OverrideRecord
    ) -> None:
        if act.verdict is not None:
            put_override(cursor, self._rows, org, stored, act.verdict, act.author)
        elif get_override(cursor, stored.key) is not None:
            remove_override(cursor, self._rows, org, stored)

    def _found(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[Deployment]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        return stored


def _judged(cursor: Cursor, stored: Stored[Deployment]) -> OverrideHistory:
    given = get_override(cursor, stored.key)
    current = None if given is None else OverrideRecord(stored.event.id, *given)
    return OverrideHistory(current, override_records(cursor, stored.key))
