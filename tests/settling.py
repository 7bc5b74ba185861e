"""Stores whose index is in a known state, whatever the time between a write and a read."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest

from theodora.errors import OrganisationBusy
from theodora.storage import Actor, store
from theodora.storage.engine.actor import UPKEEP
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.engine.writer import Upkeep
from theodora.storage.open import open_database

T = TypeVar("T")

STATES = ("nothing indexed", "everything indexed")
"""States of the index that a list, a page or a metric has to be the same in."""

in_every_state = pytest.mark.parametrize("index", STATES, indirect=True)
"""For tests of `store` and of `tenant`."""

_TRIES = 100


def once_free(write: Callable[[], Future[T]]) -> Future[T]:
    """A write that gives up while its organisation is held, as by upkeep on a slow machine."""
    for _ in range(_TRIES):
        written = write()
        if not isinstance(written.exception(), OrganisationBusy):
            return written
    raise AssertionError("the organisation is held for good")


class Settled:
    """A database that does all upkeep before each read, while `is_on`."""

    is_on = False

    def __init__(self, database: Database, upkeep: Upkeep) -> None:
        self._database = database
        self._upkeep = upkeep
        self._left: Collection[int] | None = None

    @property
    def primary(self) -> "Settled":
        return self

    def read(self, read: Callable[[Cursor], T]) -> T:
        self._settle()
        return self._database.read(read)

    def read_statement(self, read: Callable[[Cursor], T]) -> T:
        self._settle()
        return self._database.read_statement(read)

    def _settle(self) -> None:
        while self.is_on and (self._left is None or self._left):
            self._left = self._database.write(self._keep_up, UPKEEP, org=NO_ORGANISATION).result()

    def _keep_up(self, cursor: Cursor) -> Collection[int]:
        return self._upkeep(cursor, self._left)

    def write(
        self,
        write: Callable[[Cursor], T],
        actor: Actor,
        events: int = 1,
        *,
        org: int,
        if_free: bool = False,
    ) -> Future[T]:
        self._left = None
        return self._database.write(write, actor, events, org=org, if_free=if_free)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def open_settled_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives every store that is opened from now on a database that can be settled."""

    def opened(url: str, upkeep: Upkeep, *others: Any) -> Any:
        return Settled(open_database(url, upkeep, *others), upkeep)

    monkeypatch.setattr(store, "open_database", opened)


def hold_index(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Keeps the index of every store in one of `STATES`, as far as its events come later."""
    if state == "nothing indexed":
        monkeypatch.setattr(store, "index_some", lambda *_: False)
    else:
        open_settled_stores(monkeypatch)
        monkeypatch.setattr(Settled, "is_on", True)
