"""Counts and the newest deployments of one period, from the cached columns."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from theodora.dora import DeploymentColumns, Period
from theodora.dora.metrics.columns import NO_VALUE, PENDING, UNKNOWN_NS, Ints, Labels, Positions
from theodora.dora.metrics.groups import ranges
from theodora.events import Deployment, DeploymentType
from theodora.query import Field, Query
from theodora.query.fields import Scalar
from theodora.storage.engine.cursor import Cursor, in_equal_parts, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.metrics.columns import CachedDeployments, Snapshot
from theodora.storage.metrics.filter import VERDICTS, QueryFilter, is_verdict

COUNTED = frozenset({*CachedDeployments.fields, "change_failure"})
"""Fields whose values can be counted."""

_KEYS_AT_ONCE = 64

_Codes = NDArray[np.int8] | NDArray[np.int32]

ValueCounts = Sequence[tuple[Scalar | None, int]]
"""Values, and how many deployments have each; None is that of those without one."""


class VerdictCounts(NamedTuple):
    """Deployments by verdict."""

    pending: int
    fine: int
    failed: int

    @property
    def total(self) -> int:
        return sum(self)


class DeploymentSummary(NamedTuple):
    """The cached values of a deployment."""

    finished_at_ns: int
    change_failure: bool | None
    deployment_type: DeploymentType
    lead_time_status: str | None
    recovery_ns: int | None
    """From when it finished until it was remedied."""


class PeriodCounts:
    """Looks at the deployments of one period. Answers are about the deployments that match `tree`.

    `periods` must split the period, in order.
    """

    def __init__(
        self,
        snapshot: Snapshot[DeploymentColumns],
        cursor: Cursor,
        org: Organisation,
        period: Period,
        production: ProductionTrees,
    ) -> None:
        self._snapshot = snapshot
        self._cursor = cursor
        self._org = org
        self._selecting = QueryFilter(CachedDeployments, snapshot, cursor, org, period, production)

    def count(self, tree: Query) -> int:
        """How many there are."""
        return len(self._positions(tree))

    def values(self, tree: Query, field: Field, limit: int) -> ValueCounts:
        """The values of `field`, one of `COUNTED`.

        Those of most deployments first, then in order; None is that of those without a value,
        and the last of its equals.
        """
        values, codes = self._coded(field)
        # Codes begin with that of having no value.
        numbers = codes[self._positions(tree)].astype(np.intp) - NO_VALUE
        none, *counts = np.bincount(numbers, minlength=1).tolist()
        found = sorted(
            ((value, count) for value, count in zip(values, counts, strict=False) if count),
            key=lambda each: (-each[1], each[0]),
        )
        position = next((at for at, (_, count) in enumerate(found) if count < none), len(found))
        return [*found[:position], *([(None, none)] if none else []), *found[position:]][:limit]

    def verdicts(self, tree: Query, periods: Sequence[Period]) -> list[VerdictCounts]:
        """Counts by verdict and period."""
        if not periods:
            return []
        positions = self._positions(tree)
        codes = self._snapshot.columns.verdict[positions] - PENDING
        kinds = len(VerdictCounts._fields)
        counts = self._by_period(positions, codes, kinds, periods)
        return [VerdictCounts(*each) for each in counts.T.tolist()]

    def series(
        self, tree: Query, field: Field, periods: Sequence[Period]
    ) -> Mapping[Scalar | None, list[int]]:
        """Counts by value of `field`, one of `COUNTED`, and by period."""
        positions = self._positions(tree)
        values, codes = self._coded(field)
        counts = self._by_period(positions, codes[positions] - NO_VALUE, len(values) + 1, periods)
        return dict(zip((None, *values), counts.tolist(), strict=True))

    def commits(self, tree: Query, edges_ns: Sequence[int]) -> list[int]:
        """Counts of commits by lead time.

        There is a count for each edge, of the lead times from it up to the next one. What is
        less than the first counts there.
        """
        columns, positions = self._snapshot.columns, self._positions(tree)
        starts, ends = columns.commit_offsets[positions], columns.commit_offsets[positions + 1]
        lead_times_ns = columns.lead_times_ns[ranges(starts, ends - starts)]
        steps = np.searchsorted(edges_ns, lead_times_ns, side="right") - 1
        return np.bincount(np.maximum(steps, 0), minlength=len(edges_ns)).tolist()

    def newest(self, tree: Query, limit: int) -> list[Deployment]:
        """Newest first, those of one instant in order of their ids; read by their keys."""
        found = self._read(self._newest(tree, limit))
        return sorted(found, key=lambda each: (-each.finished_at_ns, each.id))[:limit]

    def newest_by_value(
        self, tree: Query, field: Field, values: Collection[str | None]
    ) -> Mapping[Scalar | None, Deployment] | None:
        """The newest of each of `values` of `field`, one of `COUNTED`; of equals the first by id.

        None if `tree` is about more than what is in memory.
        """
        if self._selecting.needs_database(tree):
            return None
        names, codes = self._coded(field)
        # The code of having none is that of the last.
        is_wanted = np.array([*(name in values for name in names), None in values], np.bool_)
        positions = self._positions(tree)
        positions = positions[is_wanted[codes[positions]]]
        codes, instants_ns = codes[positions], self._snapshot.columns.finished_at_ns[positions]
        newest_ns = np.zeros(len(is_wanted), np.int64)
        np.maximum.at(newest_ns, codes, instants_ns)
        found = self._read(positions[instants_ns == newest_ns[codes]])
        in_order = sorted(found, key=lambda each: each.id, reverse=True)
        return {next(iter(field.values(each)), None): each for each in in_order}

    def _read(self, positions: Positions) -> list[Deployment]:
        keys = self._snapshot.keys[positions].tolist()
        # The sign keeps SQLite from walking all of the organisation in search of these few.
        statement = (
            f"SELECT {DEPLOYMENTS.select} FROM deployments e "
            f"WHERE +e.org = ? AND e.key IN ({placeholders(_KEYS_AT_ONCE)})"
        )
        return [
            DEPLOYMENTS.from_row(row)
            for part in in_equal_parts(keys, _KEYS_AT_ONCE)
            for row in self._cursor.execute(statement, (self._org.key, *part)).fetchall()
        ]

    def summaries(self, tree: Query, limit: int) -> list[DeploymentSummary]:
        """Newest first; of several that finished at one instant any may be left out."""
        columns, fields = self._snapshot.columns, self._snapshot.fields
        positions = self._newest(tree, limit)
        positions = positions[np.argsort(-columns.finished_at_ns[positions], kind="stable")][:limit]
        verdicts, recoveries_ns = columns.verdict[positions], columns.recovery_ns[positions]
        return [
            DeploymentSummary(*each)
            for each in zip(
                columns.finished_at_ns[positions].tolist(),
                (None if each == PENDING else bool(each) for each in verdicts.tolist()),
                cast("list[DeploymentType]", _names(fields["deployment_type"], positions)),
                _names(fields["lead_time_status"], positions),
                (None if each == UNKNOWN_NS else each for each in recoveries_ns.tolist()),
                strict=True,
            )
        ]

    def _positions(self, tree: Query) -> Positions:
        return self._selecting.selected(tree).positions

    def _newest(self, tree: Query, limit: int) -> Positions:
        """The newest `limit` events, and all that finished at the same time as the last of them."""
        positions = self._positions(tree)
        if len(positions) <= limit or not limit:
            return positions[:limit]
        instants_ns = self._snapshot.columns.finished_at_ns[positions]
        last_ns = np.partition(instants_ns, len(positions) - limit)[len(positions) - limit]
        return positions[instants_ns >= last_ns]

    def _coded(self, field: Field) -> tuple[Sequence[Scalar], _Codes]:
        """The values of a field, and the code that each event has of them."""
        if is_verdict(field):
            return VERDICTS, self._snapshot.columns.verdict
        labels = self._snapshot.fields[field.name]
        return tuple(labels.values), labels.codes

    def _by_period(
        self, positions: Positions, codes: _Codes, kinds: int, periods: Sequence[Period]
    ) -> Ints:
        """How many have each code, a row a code and a column a period."""
        starts = [each.start_ns for each in periods]
        instants_ns = self._snapshot.columns.finished_at_ns[positions]
        at = np.searchsorted(starts, instants_ns, side="right") - 1
        numbers = codes.astype(np.intp) * len(periods) + at
        return np.bincount(numbers, minlength=kinds * len(periods)).reshape(kinds, -1)


def _names(labels: Labels, positions: Positions) -> list[str | None]:
    """The value of each."""
    # The code of having none is that of the last.
    names = (*labels.values, None)
    return [names[code] for code in labels.codes[positions].tolist()]
