"""Verdicts by hand in the store: given, taken back, looked up, written out and read in again."""

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Outcome, Rows, Stored
from theodora.storage.facts.override_effects import get_verdict, put_verdict, remove_verdict
from theodora.storage.facts.override_history import (
    NOBODY,
    Giver,
    Verdict,
    VerdictAct,
    acts_after,
    acts_on,
    record_act,
)

_PAGE = 1_000


class Judged(NamedTuple):
    """What was said of a deployment by hand."""

    current: VerdictAct | None
    """The verdict that counts; None if the rules decide."""
    history: tuple[VerdictAct, ...]
    """Every verdict given or taken back, newest first."""


class Verdicts:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, rows: Rows[Deployment]) -> None:
        self._database = database
        self._rows = rows

    def get(self, org: Organisation, id_: str) -> Judged:
        """Raises `NotFound` where there is no such deployment."""
        return self._database.read(lambda cursor: _judged(cursor, self._found(cursor, org, id_)))

    def put(
        self, org: Organisation, id_: str, verdict: Verdict, giver: Giver = NOBODY
    ) -> Future[Judged]:
        """Gives a verdict in place of any before; `NotFound` where there is no deployment."""

        def write(cursor: Cursor) -> Judged:
            stored = self._found(cursor, org, id_)
            put_verdict(cursor, self._rows, org, stored, verdict, giver)
            record_act(cursor, org, stored.key, verdict, giver)
            return _judged(cursor, stored)

        return self._database.write(write)

    def delete(self, org: Organisation, id_: str, giver: Giver = NOBODY) -> Future[None]:
        """Takes the verdict back, so that the rules decide.

        What they say is derived anew; until then there is no verdict, unless they are known to
        have found a failure. Raises `NotFound` where there is no deployment or no verdict.
        """

        def write(cursor: Cursor) -> None:
            stored = self._found(cursor, org, id_)
            if get_verdict(cursor, stored.key) is None:
                raise NotFound("verdict does not exist")
            remove_verdict(cursor, self._rows, org, stored)
            record_act(cursor, org, stored.key, None, giver)

        return self._database.write(write)

    def add(self, org: Organisation, act: VerdictAct) -> Future[Outcome]:
        """Takes an act in as one of the past; adding it again changes nothing.

        It counts unless a later one is known. Raises `NotFound` where there is no deployment.
        """
        return self._database.write(partial(self._add, org, act))

    def everything(self, org: Organisation) -> Iterator[VerdictAct]:
        """Every act in the order of recording; what comes in meanwhile is included."""
        number = -1
        while True:
            page = self._database.read(partial(acts_after, org=org, number=number, limit=_PAGE))
            yield from (act for _, act in page)
            if len(page) < _PAGE:
                return
            number = page[-1][0]

    def _add(self, org: Organisation, act: VerdictAct, cursor: Cursor) -> Outcome:
        stored = self._found(cursor, org, act.deployment_id)
        history = acts_on(cursor, stored.key)
        if act in history:
            return "unchanged"
        record_act(cursor, org, stored.key, act.verdict, act.giver)
        if act not in acts_on(cursor, stored.key):
            return "unchanged"
        if not history or history[0].giver.at_ns <= act.giver.at_ns:
            self._take_effect(cursor, org, stored, act)
        return "added"

    def _take_effect(
        self, cursor: Cursor, org: Organisation, stored: Stored[Deployment], act: VerdictAct
    ) -> None:
        if act.verdict is not None:
            put_verdict(cursor, self._rows, org, stored, act.verdict, act.giver)
        elif get_verdict(cursor, stored.key) is not None:
            remove_verdict(cursor, self._rows, org, stored)

    def _found(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[Deployment]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        return stored


def _judged(cursor: Cursor, stored: Stored[Deployment]) -> Judged:
    given = get_verdict(cursor, stored.key)
    current = None if given is None else VerdictAct(stored.event.id, *given)
    return Judged(current, acts_on(cursor, stored.key))
