"""Metrics of the store: answers to metrics queries."""

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from theodora.dora import (
    DeploymentColumns,
    IncidentColumns,
    MetricsQuery,
    Period,
    Report,
    Selected,
    make_report,
)
from theodora.events import Deployment
from theodora.events.timestamps import INT64_MAX
from theodora.query import Everything, Field, Query
from theodora.query.fields import Scalar
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import reach
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.metrics.cache import (
    ColumnCache,
    LoadOptions,
    Snapshots,
    StaleRead,
    columns_program,
    load_period,
)
from theodora.storage.metrics.column_files import ColumnFiles
from theodora.storage.metrics.columns import GROUPED, CachedDeployments, CachedIncidents, TooLarge
from theodora.storage.metrics.counts import COUNTED, PeriodCounts, ValueCounts
from theodora.storage.metrics.filter import QueryFilter
from theodora.storage.metrics.saver import ColumnSaver
from theodora.storage.search.where import compile_where

MEMORY_MIB = 512
"""The default memory for events."""

_ATTEMPTS = 3
"""Snapshots tried before questions that the cache is ahead of load events for themselves."""
_EVERYTHING = Everything()
_EVER = Period(-INT64_MAX, INT64_MAX)

T = TypeVar("T")


class MetricsStore:
    """Every method is about one organisation and sees no other."""

    def __init__(
        self,
        database: Database,
        production: ProductionTrees,
        memory_mib: int = MEMORY_MIB,
        folder: Path | None = None,
    ) -> None:
        """`folder` is where columns are kept over a restart, if anywhere."""
        self._database = database
        self._production = production
        limit_bytes = memory_mib * 2**20
        files = ColumnFiles(folder, columns_program()) if folder and memory_mib else None
        self._cache = ColumnCache(limit_bytes, files=files)
        self._saver = files and ColumnSaver(database, self._cache, files)
        self._open = _OpenMoment()

    @property
    def memory_bytes(self) -> int:
        """About how much memory events take that are kept to compute metrics from."""
        return self._cache.nbytes

    @property
    def save_due(self) -> threading.Event:
        """Set when `save_columns` has something to do at once."""
        return self._cache.save_due

    def save_columns(self, now_ns: int, *, actor: Actor) -> int:
        """Saves columns in files where those are missing or old; returns how many.

        Raises `OSError` where the folder cannot be written.
        """
        return 0 if self._saver is None else self._saver.save_due(now_ns, actor)

    def report(self, org: Organisation, query: MetricsQuery, tree: Query = _EVERYTHING) -> Report:
        """The answer to `query`, over the deployments and failures that `tree` is true of.

        Pending changes count with their last derived values. Every write that was committed before
        is in it, by whatever process.
        """
        tags = tuple(key for key in query.group_by if key not in GROUPED)
        asked = _Asked(
            org,
            LoadOptions(tags, stages=query.stages),
            tree,
            Period(query.previous_period.start_ns, query.period.end_ns),
        )
        return make_report(query, *self._answered(asked, self._select))

    def value_counts(
        self, org: Organisation, period: Period, tree: Query, field: Field, limit: int
    ) -> ValueCounts:
        """The values of `field` among the deployments of `period` that `tree` is true of.

        Those of most deployments first, then in order; None is that of those without a value,
        and the last of its equals.
        """
        if field.name not in COUNTED:
            return self._database.read(
                partial(self._count_in_table, org, period, tree, field, limit)
            )
        return self.in_period(org, period, lambda those: those.values(tree, field, limit))

    def in_period(self, org: Organisation, period: Period, look: Callable[[PeriodCounts], T]) -> T:
        """The result of `look` for the deployments of `period`, in one snapshot."""
        asked = _Asked(org, LoadOptions((), stages=False), _EVERYTHING, period)
        return self._answered(asked, partial(self._look, look))

    def newest_by_value(
        self,
        org: Organisation,
        tree: Query,
        field: Field,
        values: Collection[str | None],
        *,
        since_ns: int,
    ) -> Mapping[Scalar | None, Deployment] | None:
        """The newest deployment ever of each of `values` of `field`, one of `GROUPED`.

        Older ones than `since_ns` are only looked at for values without one since then.
        Only those count that `tree` is true of; of several that finished at one instant, the first
        by id. None if the events in memory cannot answer alone.
        """
        asked = _Asked(org, LoadOptions((), stages=False), tree, _EVER)
        return self.at_one_moment(
            lambda: self._database.read(
                partial(self._newest_by_value, asked, field, frozenset(values), since_ns)
            )
        )

    def newest_change(self, org: Organisation) -> int:
        """The number of the newest change of its events, which a later one exceeds."""
        return self._database.read(lambda cursor: reach(cursor, org).newest)

    def at_one_moment(self, work: Callable[[], T]) -> T:
        """Runs `work`; all that it reads on this thread, columns too, is of one snapshot.

        `work` may be run again from its beginning.
        """
        if self._open.moment is not None:
            return work()
        for _ in range(_ATTEMPTS):
            with suppress(StaleRead):
                return self._in_one_read(work, may_be_repeated=True)
        return self._in_one_read(work, may_be_repeated=False)

    def _in_one_read(self, work: Callable[[], T], *, may_be_repeated: bool) -> T:
        def read(_: Cursor) -> T:
            self._open.moment = _Moment(may_be_repeated)
            try:
                return work()
            finally:
                self._open.moment = None

        return self._database.read(read)

    def _answered(self, asked: "_Asked", answer: "_Answer[T]") -> T:
        """The result of `answer` for the cached events, or only for those of the period."""
        return self.at_one_moment(
            lambda: self._database.read(
                lambda cursor: answer(asked, cursor, self._snapshots(asked, cursor))
            )
        )

    def _snapshots(self, asked: "_Asked", cursor: Cursor) -> Snapshots:
        """The columns of this moment, at least those of the period."""
        cached = self._cached(asked, cursor)
        if cached is None:
            return load_period(cursor, asked.org, asked.wanted, asked.period)
        return cached

    def _cached(self, asked: "_Asked", cursor: Cursor) -> Snapshots | None:
        """The cached columns, if there are any of this moment.

        Raises `StaleRead` if it should be repeated.
        """
        moment = self._open.moment
        assert moment is not None, "a question outside of a moment"
        taken = moment.taken.get(asked.org.key)
        if taken is not None and taken.has(asked.wanted):
            return taken
        try:
            taken = self._cache.snapshots(cursor, asked.org, asked.wanted)
        except StaleRead:
            if moment.may_be_repeated:
                raise
        except TooLarge:
            pass
        else:
            moment.taken[asked.org.key] = taken
            return taken
        return None

    def _select(self, asked: "_Asked", cursor: Cursor, snapshots: Snapshots) -> "_Selected":
        where = cursor, asked.org, asked.period, self._production
        return _Selected(
            QueryFilter(CachedDeployments, snapshots.deployments, *where).selected(asked.tree),
            QueryFilter(CachedIncidents, snapshots.incidents, *where).selected(asked.tree),
        )

    def _look(
        self,
        look: Callable[[PeriodCounts], T],
        asked: "_Asked",
        cursor: Cursor,
        snapshots: Snapshots,
    ) -> T:
        where = cursor, asked.org, asked.period, self._production
        return look(PeriodCounts(snapshots.deployments, *where))

    def _newest_by_value(
        self,
        asked: "_Asked",
        field: Field,
        values: frozenset[str | None],
        since_ns: int,
        cursor: Cursor,
    ) -> Mapping[Scalar | None, Deployment] | None:
        cached = self._cached(asked, cursor)
        if cached is None:
            return None
        found: dict[Scalar | None, Deployment] = {}
        for start_ns in (since_ns, asked.period.start_ns):
            period = Period(start_ns, asked.period.end_ns)
            those = PeriodCounts(cached.deployments, cursor, asked.org, period, self._production)
            newest = those.newest_by_value(asked.tree, field, values - found.keys())
            if newest is None:
                return None
            found |= newest
            if values <= found.keys():
                break
        return found

    def _count_in_table(
        self,
        org: Organisation,
        period: Period,
        tree: Query,
        field: Field,
        limit: int,
        cursor: Cursor,
    ) -> ValueCounts:
        """The values of a field that is not in memory."""
        column = DEPLOYMENTS.column(field)
        assert column is not None, "a field without a column"
        matching = compile_where(
            self._production.resolve(cursor, org, tree), DEPLOYMENTS, cursor.dialect
        )
        rows = cursor.execute(
            f"SELECT {column}, count(*) FROM deployments e WHERE e.org = ? "
            f"AND e.finished_at_ns >= ? AND e.finished_at_ns < ? AND {matching.sql} "
            f"GROUP BY 1 ORDER BY 2 DESC, {column} IS NULL, 1 LIMIT ?",
            (org.key, period.start_ns, period.end_ns, *matching.values, limit),
        ).fetchall()
        return [(value, count) for value, count in rows]


class _Asked(NamedTuple):
    """The events that a question is about."""

    org: Organisation
    wanted: LoadOptions
    tree: Query
    period: Period


class _Selected(NamedTuple):
    """The matching events."""

    deployments: Selected[DeploymentColumns]
    incidents: Selected[IncidentColumns]


_Answer = Callable[[_Asked, Cursor, Snapshots], T]


@dataclass(slots=True)
class _Moment:
    """One run of work that reads everything in one snapshot."""

    may_be_repeated: bool
    """Whether to begin again if the cache already has newer events."""
    taken: dict[int, Snapshots] = field(default_factory=dict[int, Snapshots])
    """By organisation. The cache may be ahead of this moment when the next question comes."""


class _OpenMoment(threading.local):
    """The moment that is open on a thread."""

    moment: _Moment | None = None
