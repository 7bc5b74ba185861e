"""Stores whose index is in a known state, whatever the time between a write and a read."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest

from theodora.storage import store
from theodora.storage.cursor import Cursor
from theodora.storage.database import Database, Upkeep
from theodora.storage.opening import open_database

T = TypeVar("T")

STATES = ("nothing indexed", "everything indexed")
"""States of the index that a list, a page or a metric has to be the same in."""


class Settled:
    """A database that does all upkeep before it is read."""

    def __init__(self, database: Database, upkeep: Upkeep) -> None:
        self._database = database
        self._upkeep = upkeep
        self._is_settled = False

    @property
    def primary(self) -> "Settled":
        return self

    def read(self, read: Callable[[Cursor], T]) -> T:
        while not self._is_settled:
            self._is_settled = not self._database.write(self._upkeep).result()
        return self._database.read(read)

    def write(self, write: Callable[[Cursor], T]) -> Future[T]:
        self._is_settled = False
        return self._database.write(write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def hold_index(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Keeps the index of every store that is opened from now on in one of `STATES`."""
    if state == "nothing indexed":
        monkeypatch.setattr(store, "index_some", lambda *_: False)
        return

    def opened(url: str, upkeep: Upkeep, *others: Any) -> Any:
        return Settled(open_database(url, upkeep, *others), upkeep)

    monkeypatch.setattr(store, "open_database", opened)
