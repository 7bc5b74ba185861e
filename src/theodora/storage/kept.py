"""Which organisations' events are kept in memory, and for how long."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from theodora.dora import DeploymentColumns, IncidentColumns, Period
from theodora.storage.changes import reach
from theodora.storage.columns import KeptDeployments, KeptIncidents, Snapshot, TooLarge
from theodora.storage.cursor import Cursor
from theodora.storage.memory import Memory
from theodora.storage.organisations import Organisation


class Overtaken(Exception):
    """What is kept is newer than what the cursor sees."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """An organisation's events."""

    deployments: Snapshot[DeploymentColumns]
    incidents: Snapshot[IncidentColumns]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question needs besides what is always held."""

    tags: tuple[str, ...] = ()
    """Keys of custom tags."""
    stages: bool = False


class _Kept:
    """The events of one organisation, as of one number of the log."""

    def __init__(self, org: Organisation, *, stages: bool) -> None:
        self.deployments = KeptDeployments(org, stages=stages)
        self.incidents = KeptIncidents(org)
        self.number = 0

    @property
    def nbytes(self) -> int:
        return self.deployments.nbytes + self.incidents.nbytes

    def load(self, cursor: Cursor, limit_bytes: float, period: Period | None = None) -> None:
        self.deployments.load(cursor, limit_bytes, period)
        self.incidents.load(cursor, limit_bytes - self.deployments.nbytes, period)

    def has(self, wanted: Wanted) -> bool:
        """Whether it can answer, but for tags."""
        return self.deployments.has_stages or not wanted.stages

    def load_tags(self, cursor: Cursor, keys: Iterable[str]) -> None:
        for each in (self.deployments, self.incidents):
            each.load_tags(cursor, keys)

    def drop_tags(self) -> None:
        for each in (self.deployments, self.incidents):
            each.drop_tags()

    def catch_up(self, cursor: Cursor) -> None:
        for each in (self.deployments, self.incidents):
            each.catch_up(cursor, self.number)

    def snapshots(self) -> Snapshots:
        return Snapshots(self.deployments.snapshot(), self.incidents.snapshot())


class KeptColumns:
    """Keeps what was asked about last, up to a size; may be used by any thread."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: Memory[int, _Kept] = Memory(limit_bytes)
        self._too_large: set[tuple[int, bool]] = set()
        """Organisations that did not fit, without stages or with them."""
        self._lock = threading.Lock()
        self._loading: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    @property
    def nbytes(self) -> int:
        """About how much memory is taken."""
        return self._kept.size

    def snapshots(self, cursor: Cursor, org: Organisation, wanted: Wanted) -> Snapshots:
        """All events of the organisation that the cursor sees.

        Raises `TooLarge` where they are more than may be kept, `Overtaken` where another thread
        or another server has shown newer ones.
        """
        with self._lock:
            loading = self._loading[org.key]
        with loading:
            kept = self._up_to_date(cursor, org, wanted)
            with self._lock:
                self._kept.put(org.key, kept, kept.nbytes)
            if not kept.deployments.has_tags(wanted.tags):
                raise TooLarge
            return kept.snapshots()

    def _up_to_date(self, cursor: Cursor, org: Organisation, wanted: Wanted) -> _Kept:
        """What is kept, as of now; without tags if these make it too large."""
        oldest, newest = reach(cursor)
        with self._lock:
            kept = self._kept.get(org.key)
            if kept is not None and kept.number > newest:
                raise Overtaken
            # Until it is up to date nobody may find it: whatever ends this may leave it in between.
            self._kept.forget(org.key)
        if kept is None or kept.number + 1 < oldest or not kept.has(wanted):
            kept = self._loaded(cursor, org, wanted)
        elif kept.number < newest:
            kept.catch_up(cursor)
        kept.number = newest
        kept.load_tags(cursor, wanted.tags)
        if kept.nbytes > self._limit_bytes:
            kept.drop_tags()
        if kept.nbytes > self._limit_bytes:
            self._too_large.add((org.key, kept.deployments.has_stages))
            raise TooLarge
        return kept

    def _loaded(self, cursor: Cursor, org: Organisation, wanted: Wanted) -> _Kept:
        if (org.key, wanted.stages) in self._too_large:
            raise TooLarge
        kept = _Kept(org, stages=wanted.stages)
        try:
            kept.load(cursor, self._limit_bytes)
        except TooLarge:
            self._too_large.add((org.key, wanted.stages))
            raise
        return kept


def load_period(cursor: Cursor, org: Organisation, wanted: Wanted, period: Period) -> Snapshots:
    """The events of one period alone, for one question."""
    kept = _Kept(org, stages=wanted.stages)
    kept.load(cursor, float("inf"), period)
    kept.load_tags(cursor, wanted.tags)
    return kept.snapshots()
