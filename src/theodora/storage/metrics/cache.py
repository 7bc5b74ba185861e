"""A cache of event columns, with one entry for each organisation."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TypeVar

import numpy as np

from theodora import __version__
from theodora.dora import DeploymentColumns, IncidentColumns, Period
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.deadline import patiently
from theodora.storage.engine.migrate import migrations
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import HistoryMark, has_mark, reach
from theodora.storage.metrics.arrays import Allocate
from theodora.storage.metrics.column_file import FileHead, StoredEvents
from theodora.storage.metrics.column_files import ColumnFiles
from theodora.storage.metrics.columns import CachedDeployments, CachedIncidents, Snapshot, TooLarge
from theodora.storage.metrics.shared_cache import RECENT_SECONDS, SharedCache

T = TypeVar("T")

FEWEST_STORED = 10_000
"""Fewest rows that are worth a file; fewer are read from the database in some 40 ms."""
_SHARE_CHANGED = 8


class StaleRead(Exception):
    """The cached columns are newer than the cursor's snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """An organisation's events."""

    deployments: Snapshot[DeploymentColumns]
    incidents: Snapshot[IncidentColumns]

    def has(self, wanted: "LoadOptions") -> bool:
        """Whether they can answer."""
        has_stages = self.deployments.columns.stages_ns is not None or not wanted.stages
        return has_stages and self.deployments.tags.keys() >= set(wanted.tags)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Optional columns that a question needs."""

    tags: tuple[str, ...] = ()
    """Keys of custom tags."""
    stages: bool = False


@dataclass(frozen=True, slots=True)
class StoredOrganisation:
    """The columns of an organisation as of one number of the log, to be written into a file."""

    number: int
    count: int
    read_at_ns: int
    events: Mapping[str, StoredEvents]


@cache
def columns_program() -> str:
    """Names what makes the columns of this version; files of another are not used."""
    statements = (
        *(CachedDeployments.select, CachedDeployments.select_stages, CachedIncidents.select),
        *(CachedDeployments.fields, CachedIncidents.fields),
    )
    digest = sha256(repr(statements).encode()).hexdigest()[:16]
    return f"{__version__} {migrations()[-1].number} {digest}"


class _CachedOrganisation:
    """The events of one organisation, as of one number of the log."""

    def __init__(self, org: Organisation, allocate: Allocate = np.empty) -> None:
        self.deployments = CachedDeployments(org, allocate)
        self.incidents = CachedIncidents(org, allocate)
        self.number = 0
        self.mark: HistoryMark | None = None
        """That of the file which the columns are mapped from."""
        self.read_at_ns = 0
        self.is_read = False
        """Whether it was read from the database just now."""

    @property
    def nbytes(self) -> int:
        return self.deployments.nbytes + self.incidents.nbytes

    @property
    def count(self) -> int:
        """How many rows there are, of all kinds of events."""
        return self.deployments.count + self.incidents.count

    def load(self, cursor: Cursor, limit_bytes: float, period: Period | None = None) -> None:
        self.read_at_ns, self.is_read = time.time_ns(), True
        self.deployments.load(cursor, limit_bytes, period)
        self.incidents.load(cursor, limit_bytes - self.deployments.nbytes, period)

    def load_extras(self, cursor: Cursor, wanted: LoadOptions, limit_bytes: float) -> None:
        """Reads what is not always held, unless it is then more than the limit."""
        if wanted.stages and self.nbytes + self.deployments.stage_bytes <= limit_bytes:
            self.deployments.load_stages(cursor)
        for each in (self.deployments, self.incidents):
            each.load_tags(cursor, wanted.tags)
        if self.nbytes > limit_bytes:
            self.deployments.drop_stages()
            for each in (self.deployments, self.incidents):
                each.drop_tags()

    def catch_up(self, cursor: Cursor) -> None:
        for each in (self.deployments, self.incidents):
            each.catch_up(cursor, self.number)

    def snapshots(self) -> Snapshots:
        return Snapshots(self.deployments.snapshot(), self.incidents.snapshot())

    def stored(self) -> "StoredOrganisation":
        events = {
            each.table.kind.value: each.stored() for each in (self.deployments, self.incidents)
        }
        return StoredOrganisation(self.number, self.count, self.read_at_ns, events)

    def restore(self, head: FileHead, events: Mapping[str, StoredEvents]) -> None:
        """Goes on with the columns of a file; raises `ValueError` or `KeyError` for others."""
        for each in (self.deployments, self.incidents):
            each.restore(events[each.table.kind.value])
        self.number, self.mark, self.read_at_ns = head.number, head.mark, head.read_at_ns


def is_usable(cursor: Cursor, org: Organisation, head: FileHead, oldest: int) -> bool:
    """Whether a file is of this database's history, and the log has all changes since then.

    `oldest` is the oldest number in its log.
    """
    return oldest <= head.number + 1 and has_mark(cursor, org, head.mark)


class ColumnCache:
    """Caches the organisations asked about last, up to a size; for any thread."""

    def __init__(
        self,
        limit_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        files: ColumnFiles | None = None,
    ) -> None:
        """`files` are where columns are taken from, if they are there."""
        self._limit_bytes = limit_bytes
        self._files = files
        self._kept: SharedCache[_CachedOrganisation] = SharedCache(limit_bytes, clock)
        self._clock = clock
        self._crowded_out: dict[int, float] = {}
        """Organisations that did not fit beside others, and when they may be tried again."""
        self._too_large: dict[int, int] = {}
        """Organisations that did not fit, and the number of the log at which they may be tried
        again."""
        self.save_due = threading.Event()
        """Set when columns were read from the database that a file would have spared."""
        self._lock = threading.Lock()
        self._loading: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    @property
    def nbytes(self) -> int:
        """About how much memory is taken."""
        return self._kept.size

    def snapshots(self, cursor: Cursor, org: Organisation, wanted: LoadOptions) -> Snapshots:
        """All events of the organisation that the cursor sees.

        Raises `TooLarge` where they are more than may be kept, `StaleRead` where another thread
        or another server has shown newer ones.
        """
        found = self._use(cursor, org, wanted, _CachedOrganisation.snapshots)
        if not found.has(wanted):
            raise TooLarge
        return found

    def stored(self, cursor: Cursor, org: Organisation) -> StoredOrganisation:
        """The same events for a file; raises the same errors."""
        return self._use(cursor, org, LoadOptions(), _CachedOrganisation.stored)

    def is_worth_file(self, org: Organisation) -> bool:
        """Whether the organisation's columns are cached and many, or did not fit."""
        with self._lock:
            kept = self._kept.get(org.key)
        if kept is None:
            return org.key in self._too_large or org.key in self._crowded_out
        return kept.count >= FEWEST_STORED

    def drop_replaced(self, org: Organisation, mark: HistoryMark) -> None:
        """Forgets columns that are not from the file with this mark: the next question maps it."""
        with self._lock:
            kept = self._kept.get(org.key)
            if kept is not None and kept.mark != mark:
                self._kept.forget(org.key)

    def _use(
        self,
        cursor: Cursor,
        org: Organisation,
        wanted: LoadOptions,
        use: Callable[[_CachedOrganisation], T],
    ) -> T:
        with self._lock:
            loading = self._loading[org.key]
        # One thread loads an organisation, the others wait for it; other organisations are not
        # blocked.
        with loading:
            # What is loaded serves later questions too. Given up on, it would begin again each
            # time, and an organisation that takes longer to load could never be asked about.
            with patiently():
                kept = self._up_to_date(cursor, org, wanted)
            with self._lock:
                if not self._kept.put(org.key, kept, kept.nbytes):
                    # This answer has its events; the next ones read only their period's.
                    self._crowded_out[org.key] = self._clock() + RECENT_SECONDS
            # Not earlier: whoever is woken looks for it in the cache.
            if kept.is_read and kept.count >= FEWEST_STORED:
                self.save_due.set()
            kept.is_read = False
            return use(kept)

    def _up_to_date(
        self, cursor: Cursor, org: Organisation, wanted: LoadOptions
    ) -> _CachedOrganisation:
        """The cached columns, up to date; without optional ones if they would be too large."""
        oldest, newest = reach(cursor, org)
        with self._lock:
            kept = self._kept.get(org.key)
            # Columns cannot be turned back to an older snapshot: the caller reads again.
            if kept is not None and kept.number > newest:
                raise StaleRead
            # Until it is up to date nobody may find it: whatever ends this may leave it in between.
            self._kept.forget(org.key)
        # The log is pruned: with a gap between the two, changes would be missed.
        if kept is None or kept.number + 1 < oldest:
            kept = self._mapped(cursor, org, oldest) or self._loaded(cursor, org, newest)
        if kept.number < newest:
            kept.catch_up(cursor)
        # `newest` is of the cursor's snapshot: later changes are applied the next time.
        kept.number = newest
        kept.load_extras(cursor, wanted, self._limit_bytes)
        if kept.nbytes > self._limit_bytes:
            self._note_too_large(org, kept, newest)
            raise TooLarge
        return kept

    def _mapped(self, cursor: Cursor, org: Organisation, oldest: int) -> _CachedOrganisation | None:
        """The columns of the organisation's file; None if there is none to catch up from."""
        found = self._files and self._files.map(org)
        if not found or not is_usable(cursor, org, found[0], oldest):
            return None
        kept = _CachedOrganisation(org)
        kept.restore(*found)
        return kept

    def _loaded(self, cursor: Cursor, org: Organisation, newest: int) -> _CachedOrganisation:
        is_crowded_out = self._clock() < self._crowded_out.get(org.key, 0)
        if newest < self._too_large.get(org.key, 0) or is_crowded_out:
            raise TooLarge
        kept = _CachedOrganisation(org)
        try:
            kept.load(cursor, self._limit_bytes)
        except TooLarge:
            self._note_too_large(org, kept, newest)
            raise
        kept.number = newest
        return kept

    def _note_too_large(self, org: Organisation, kept: _CachedOrganisation, newest: int) -> None:
        """Allows a retry after enough changes that the organisation may fit in memory.

        Retention may have removed events, for example. A failed attempt costs as much as to read
        all that fits, so as many changes as a share of that have to come first.
        """
        changes = 1 + kept.deployments.count // _SHARE_CHANGED
        self._too_large[org.key] = newest + changes
        self.save_due.set()


def read_stored(cursor: Cursor, org: Organisation, allocate: Allocate) -> StoredOrganisation:
    """All events of the organisation, read from the database into arrays of `allocate`."""
    kept = _CachedOrganisation(org, allocate)
    kept.load(cursor, float("inf"))
    kept.number = reach(cursor, org).newest
    kept.load_extras(cursor, LoadOptions(stages=True), float("inf"))
    return kept.stored()


def load_period(
    cursor: Cursor, org: Organisation, wanted: LoadOptions, period: Period
) -> Snapshots:
    """The events of one period alone, for one question."""
    kept = _CachedOrganisation(org)
    kept.load(cursor, float("inf"), period)
    kept.load_extras(cursor, wanted, float("inf"))
    return kept.snapshots()
