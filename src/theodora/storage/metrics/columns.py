"""Events of one organisation in memory, as the columns that metrics are computed from.

Read completely from the database once, then updated from the change log: changed events are deleted
and appended again. Snapshots share arrays with what they were taken of, and never change.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Generic, LiteralString, TypeVar

import numpy as np
from numpy.typing import NDArray

from theodora.dora import DeploymentColumns, IncidentColumns, Labels, Period
from theodora.dora.derivation.stages import STAGES
from theodora.dora.metrics.columns import (
    NO_VALUE,
    PENDING,
    UNKNOWN_NS,
    Flags,
    Ints,
    Positions,
    sums_ns,
)
from theodora.dora.metrics.groups import ranges
from theodora.dora.metrics.rows import REWORK_TAG, values_by_key
from theodora.events.values import active_ns
from theodora.storage.derivation.commit_times import decode_spans
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import changed_since
from theodora.storage.events.lookup import unindexed_elements
from theodora.storage.events.tables import (
    DEPLOYMENTS,
    FAILURES,
    EventTable,
    decode_periods,
    decode_texts,
)
from theodora.storage.events.terms import TAG_PREFIXES
from theodora.storage.metrics.arrays import (
    Allocate,
    Column,
    GrowableArray,
    RaggedColumn,
    keep_ragged,
)
from theodora.storage.metrics.column_file import StoredEvents, Stretch

C = TypeVar("C", DeploymentColumns, IncidentColumns)

_AT_ONCE = 8_192
"""Rows taken up together."""
_KEYS_AT_ONCE = 512
"""Rows asked for by their keys in a statement."""
_FEWEST_LOOSE = 4_096
_LOOSE_SHARE = 8
"""Deleted or unsorted rows that trigger a new sort, as a number and as a share of all."""
_TAG = "tag:"
"""Begins the names of the columns of custom tags in a file; those of fields have no colon."""
_STAGES = "stages_ns"
GROUPED = ("service", "team", "env", "repository_id")
"""What is grouped by as fields; any other key is that of a custom tag."""


class TooLarge(Exception):
    """The events need more memory than allowed."""


@dataclass(frozen=True, slots=True)
class PositionsByKey:
    """Finds events by the keys of their rows."""

    keys: Ints
    """In order: those of the events that were put in order together."""
    positions: Positions
    """Of the same."""
    later: Mapping[int, int]
    """Keys and places of those that came later."""

    def find(self, keys: Ints) -> Positions:
        """The last positions of the events with these keys; -1 for those without one."""
        found = np.full(len(keys), -1)
        if len(self.keys):
            at = np.searchsorted(self.keys, keys)
            at[at == len(self.keys)] = 0
            is_known = self.keys[at] == keys
            found[is_known] = self.positions[at[is_known]]
        if self.later:
            later = np.array([self.later.get(key, -1) for key in keys.tolist()], np.intp)
            found = np.where(later >= 0, later, found)
        return found

    def folded(self) -> "PositionsByKey":
        """The same with all keys in order."""
        if not self.later:
            return self
        count = len(self.later)
        later = np.fromiter(self.later, np.int64, count)
        at = np.fromiter(self.later.values(), np.intp, count)
        stays = ~np.isin(self.keys, later)
        keys = np.concatenate((self.keys[stays], later))
        order = np.argsort(keys, kind="stable")
        return PositionsByKey(keys[order], np.concatenate((self.positions[stays], at))[order], {})


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[C]):
    """Events as they were at one moment."""

    columns: C
    instants_ns: Ints
    """By which events belong to a period."""
    keys: Ints
    """Of the events' rows."""
    fields: Mapping[str, Labels]
    """The cached searchable fields by name."""
    tags: Mapping[str, Labels]
    """The cached custom tags by key."""
    is_there: Flags
    """Whether the event at a place has not been struck out."""
    by_key: PositionsByKey

    def find(self, keys: Ints) -> Positions:
        """The places of the events with these keys, of those that are there."""
        positions = self.by_key.find(keys)
        positions = positions[positions >= 0]
        return positions[self.is_there[positions]]


class CachedEvents(ABC, Generic[C]):
    """The events of one kind; used by one thread at a time."""

    table: EventTable[Any]
    select: LiteralString
    """All rows: key, instant and tags, the values of `fields` in their order, then facts."""
    instant: LiteralString
    """The column by which events belong to a period."""
    fields: tuple[str, ...]

    def __init__(self, org: Organisation, allocate: Allocate = np.empty) -> None:
        self._org = org
        self._allocate: Allocate = allocate
        self._period: Period | None = None
        self._keys = GrowableArray(np.int64, allocate=allocate)
        self._instants_ns = GrowableArray(np.int64, allocate=allocate)
        self._is_there: Flags = np.zeros(0, np.bool_)
        self._sorted_count = 0
        self._fields: dict[str, Column | RaggedColumn] = {
            name: (RaggedColumn if name in self.table.arrays else Column)(allocate=allocate)
            for name in self.fields
        }
        self._tags: dict[str, RaggedColumn] = {}
        self._by_key = PositionsByKey(self._keys.taken, np.zeros(0, np.intp), {})

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        columns = (*self._fields.values(), *self._tags.values())
        return (
            # Twice: `PositionsByKey` has a sorted copy of the keys, and positions as large as the
            # instants.
            2 * (self._keys.nbytes + self._instants_ns.nbytes)
            + sum(each.nbytes for each in (*columns, *self._facts().values()))
        )

    @property
    def count(self) -> int:
        """How many rows it has, of events that are there or were."""
        return len(self._keys)

    def load(self, cursor: Cursor, limit_bytes: float, period: Period | None = None) -> None:
        """Reads all events, or those of `period`; raises `TooLarge` for more than the limit."""
        self._period = period
        for chunk in self._read(cursor, self.select):
            self._extend(chunk)
            if self.nbytes > limit_bytes:
                raise TooLarge
        self._is_there = np.ones(len(self._keys), np.bool_)
        self._put_in_order()

    def _read(self, cursor: Cursor, select: LiteralString) -> Iterator[Sequence[Row]]:
        """The rows of a statement for all events in the columns, some at a time."""
        statement: LiteralString = f"{select} WHERE e.org = ?"
        values = [self._org.key]
        if self._period is not None:
            statement = f"{statement} AND {self.instant} >= ? AND {self.instant} < ?"
            values += [self._period.start_ns, self._period.end_ns]
        rows = iter(cursor.execute(statement, values))
        while chunk := list(islice(rows, _AT_ONCE)):
            yield chunk

    def load_tags(self, cursor: Cursor, keys: Iterable[str]) -> None:
        """Reads the custom tags with these keys, unless they are held."""
        for key in keys:
            if key not in self._tags:
                self._tags[key] = self._tags_with(cursor, key)

    def drop_tags(self) -> None:
        self._tags.clear()

    def stored(self) -> StoredEvents:
        """The columns as they are now, which later changes leave alone."""
        by_key = self._by_key.folded()
        arrays = {name: Stretch(each.taken, len(each)) for name, each in self._arrays().items()}
        for name, array in (
            ("is_there", self._is_there),
            ("by_key/keys", by_key.keys),
            ("by_key/positions", by_key.positions),
        ):
            arrays[name] = Stretch(array, len(array))
        names = {name: tuple(each.labels.values) for name, each in self._named_columns().items()}
        return StoredEvents(arrays, names, self._sorted_count)

    def restore(self, stored: StoredEvents) -> None:
        """Goes on with columns of a file; raises `ValueError` or `KeyError` for others."""
        for name, column in self._fields.items():
            self._fields[name] = type(column)(stored.names[name])
        for name, values in stored.names.items():
            if name.startswith(_TAG):
                self._tags[name.removeprefix(_TAG)] = RaggedColumn(values)
        self._prepare_facts(stored)
        for name, array in self._arrays().items():
            array.map(*stored.arrays[name])
        is_there, keys, positions = (
            stored.arrays[name].array[: stored.arrays[name].size]
            for name in ("is_there", "by_key/keys", "by_key/positions")
        )
        self._is_there = is_there
        self._by_key = PositionsByKey(keys, positions, {})
        self._sorted_count = stored.sorted_count

    def _named_columns(self) -> dict[str, Column | RaggedColumn]:
        return {**self._fields, **{f"{_TAG}{key}": column for key, column in self._tags.items()}}

    def _arrays(self) -> dict[str, GrowableArray[Any]]:
        """Every array that grows, by its name in a file."""
        arrays = {"keys": self._keys, "instants_ns": self._instants_ns, **self._facts()}
        for name, column in self._named_columns().items():
            for part, array in column.arrays.items():
                arrays[f"{part}/{name}"] = array
        return arrays

    def catch_up(self, cursor: Cursor, number: int) -> None:
        """Applies the changes since a number of the log."""
        changed = changed_since(cursor, self.table, self._org, number)
        if not changed:
            return
        before = len(self._keys)
        # The sign keeps SQLite from walking all of the organisation in search of these few.
        statement = f"{self.select} WHERE +e.org = ? AND e.key IN ({placeholders(_KEYS_AT_ONCE)})"
        for part in in_equal_parts(changed, _KEYS_AT_ONCE):
            self._extend(cursor.execute(statement, (self._org.key, *part)).fetchall())
        self._replace(np.array(changed, np.int64), before)
        # Appended rows are out of order and looked up in a dictionary: many of them slow every
        # question.
        unsorted = len(self._keys) - self._sorted_count
        loose = unsorted + np.count_nonzero(~self._is_there[: self._sorted_count])
        if loose > max(_FEWEST_LOOSE, len(self._keys) // _LOOSE_SHARE):
            self._put_in_order()

    def snapshot(self) -> Snapshot[C]:
        fields = {name: column.labels for name, column in self._fields.items()}
        tags = {key: column.labels for key, column in self._tags.items()}
        grouped = tags | {name: fields[name] for name in GROUPED}
        columns = self._columns(grouped)
        known = self._instants_ns.taken, self._keys.taken
        return Snapshot(columns, *known, fields, tags, self._is_there, self._by_key)

    def _replace(self, changed: Ints, before: int) -> None:
        """Strikes out what has changed; what it is now was put from the place `before` on."""
        positions = self._by_key.find(changed)
        is_there = np.ones(len(self._keys), np.bool_)
        is_there[:before] = self._is_there
        # A changed event is struck out and appended again, because arrays that readers hold must
        # not change.
        is_there[positions[positions >= 0]] = False
        # A new array, not a change in place: snapshots that readers hold share the old one.
        self._is_there = is_there
        newer = {key: before + at for at, key in enumerate(self._keys.taken[before:].tolist())}
        self._by_key = replace(self._by_key, later={**self._by_key.later, **newer})

    def _extend(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        keys, instants_ns, custom_tags, *values = zip(*rows, strict=True)
        self._keys.extend(np.array(keys, np.int64))
        self._instants_ns.extend(np.array(instants_ns, np.int64))
        for column in self._fields.values():
            of_field = values.pop(0)
            if isinstance(column, Column):
                column.extend(of_field)
            else:
                column.extend(map(decode_texts, of_field))
        if self._tags:
            self._extend_tags([values_by_key(decode_texts(each)) for each in custom_tags])
        self._extend_facts(custom_tags, *values)

    def _extend_tags(self, tags: Sequence[Mapping[str, Sequence[str]]]) -> None:
        for key, column in self._tags.items():
            column.extend([of_event.get(key, ()) for of_event in tags])

    def _tags_with(self, cursor: Cursor, key: str) -> RaggedColumn:
        """The values of tags with a key, from the postings and from what they lack."""
        column = RaggedColumn()
        codes: list[int] = []
        events: list[int] = []
        for event, value in _tag_pairs(cursor, self.table, self._org, key):
            events.append(event)
            codes.append(column.code(value))
        positions = self._by_key.find(np.array(events, np.int64))
        is_held = positions >= 0
        # Postings may name events outside the loaded period.
        positions, held = positions[is_held], np.array(codes, np.int32)[is_held]
        counts = np.bincount(positions, minlength=len(self._keys))
        # The pairs come by value, a column needs them by event; a stable sort keeps the order of
        # values.
        column.extend_coded(held[np.argsort(positions, kind="stable")], counts)
        return column

    def _put_in_order(self) -> None:
        """Drops deleted rows and sorts the rest by service, environment and time."""
        services, environments = (self._fields[name].labels for name in ("service", "env"))
        sequences = _first_names(services) * (len(environments.values) + 1)
        sequences += _first_names(environments)
        positions = np.flatnonzero(self._is_there)
        # The events of a service in an environment lie side by side, so a question about these, or
        # about production alone, reads few ranges of memory.
        order = positions[np.lexsort((self._instants_ns.taken[positions], sequences[positions]))]
        for column in (*self._fields.values(), *self._tags.values()):
            column.keep(order)
        self._keys.keep(order)
        self._instants_ns.keep(order)
        self._keep_facts(order)
        self._is_there = np.ones(len(order), np.bool_)
        self._sorted_count = len(order)
        by_key = np.argsort(self._keys.taken)
        self._by_key = PositionsByKey(self._keys.taken[by_key], by_key, {})

    @abstractmethod
    def _columns(self, labels: Mapping[str, Labels]) -> C: ...
    @abstractmethod
    def _extend_facts(self, custom_tags: Sequence[str | None], *values: Sequence[Any]) -> None: ...
    @abstractmethod
    def _keep_facts(self, positions: Positions) -> None: ...
    @abstractmethod
    def _facts(self) -> dict[str, GrowableArray[Any]]:
        """The arrays that only this kind of event has, by name."""

    def _prepare_facts(self, stored: StoredEvents) -> None:
        """Makes room for optional arrays that a file has."""


class CachedDeployments(CachedEvents[DeploymentColumns]):
    """The deployments of an organisation."""

    table = DEPLOYMENTS
    instant = "e.finished_at_ns"
    fields = (
        *("service", "env", "team", "repository_id", "source", "deployment_type"),
        *("failed_by", "lead_time_status"),
    )
    select = (
        "SELECT e.key, e.finished_at_ns, e.custom_tags, e.service, e.env, e.team, "
        "e.repository_id, e.source, e.deployment_type, e.failed_by, e.lead_time_status, "
        "e.change_failure, "
        "r.finished_at_ns - e.finished_at_ns, m.spans FROM deployments e "
        "LEFT JOIN deployment_measures m ON m.org = e.org AND m.deployment = e.key "
        "LEFT JOIN deployments r ON e.recovery_time_sec IS NOT NULL "
        "AND r.org = e.org AND r.id = e.remediation_id"
    )
    select_stages: LiteralString = (
        "SELECT e.key, m.spans FROM deployments e "
        "JOIN deployment_measures m ON m.org = e.org AND m.deployment = e.key"
    )

    def __init__(self, org: Organisation, allocate: Allocate = np.empty) -> None:
        super().__init__(org, allocate)
        self._verdicts = GrowableArray(np.int8, allocate=allocate)
        self._is_rework = GrowableArray(np.bool_, allocate=allocate)
        self._recoveries_ns = GrowableArray(np.int64, allocate=allocate)
        self._commit_offsets = GrowableArray(np.int64, allocate=allocate)
        self._commit_offsets.extend(np.zeros(1, np.int64))
        self._lead_times_ns = GrowableArray(np.int64, allocate=allocate)
        self._lead_time_sums_ns = GrowableArray(np.float64, allocate=allocate)
        self._stage_sums_ns = GrowableArray(np.float64, (len(STAGES),), allocate)
        self._stages_ns: GrowableArray[np.int64] | None = None

    @property
    def has_stages(self) -> bool:
        return self._stages_ns is not None

    @property
    def stage_bytes(self) -> int:
        """How much memory the stages of lead times take, or would."""
        return self._lead_times_ns.size_bytes * len(STAGES)

    def load_stages(self, cursor: Cursor) -> None:
        """Reads the stages of lead times, unless they are held."""
        if self._stages_ns is not None:
            return
        stages = self._allocate((len(self._lead_times_ns), len(STAGES)), np.dtype(np.int64))
        stages[:] = UNKNOWN_NS
        for chunk in self._read(cursor, self.select_stages):
            keys, spans = zip(*chunk, strict=True)
            counts, commits = decode_spans(spans)
            positions = self._by_key.find(np.array(keys, np.int64))
            stages[ranges(self._commit_offsets.taken[positions], counts)] = commits[:, 1:]
        self._stages_ns = GrowableArray(np.int64, (len(STAGES),), self._allocate)
        self._stages_ns.extend(stages)

    def drop_stages(self) -> None:
        self._stages_ns = None

    def _columns(self, labels: Mapping[str, Labels]) -> DeploymentColumns:
        return DeploymentColumns(
            finished_at_ns=self._instants_ns.taken,
            verdict=self._verdicts.taken,
            is_rework=self._is_rework.taken,
            recovery_ns=self._recoveries_ns.taken,
            lead_times_ns=self._lead_times_ns.taken,
            commit_offsets=self._commit_offsets.taken,
            lead_time_sums_ns=self._lead_time_sums_ns.taken,
            stage_sums_ns=self._stage_sums_ns.taken,
            stages_ns=None if self._stages_ns is None else self._stages_ns.taken,
            labels=labels,
        )

    def _extend_facts(self, custom_tags: Sequence[str | None], *values: Sequence[Any]) -> None:
        change_failures, recoveries_ns, spans = values
        types = self._fields["deployment_type"].labels
        is_standard = np.array([name == "standard" for name in types.values], np.bool_)
        is_tagged = [each is not None and _is_tagged_rework(each) for each in custom_tags]
        # Only the new rows: `_fields` was extended just before, and facts follow.
        self._is_rework.extend(~is_standard[types.codes[-len(custom_tags) :]] | is_tagged)
        self._verdicts.extend(_with(PENDING, change_failures, np.int8))
        self._recoveries_ns.extend(_with(UNKNOWN_NS, recoveries_ns, np.int64))
        counts, commits = decode_spans(spans)
        self._commit_offsets.extend(self._commit_offsets.taken[-1] + np.cumsum(counts))
        self._lead_times_ns.extend(commits[:, 0])
        sums = sums_ns(commits, counts)
        self._lead_time_sums_ns.extend(sums[:, 0])
        self._stage_sums_ns.extend(sums[:, 1:])
        if self._stages_ns is not None:
            self._stages_ns.extend(commits[:, 1:])

    def _keep_facts(self, positions: Positions) -> None:
        self._verdicts.keep(positions)
        self._is_rework.keep(positions)
        self._recoveries_ns.keep(positions)
        self._lead_time_sums_ns.keep(positions)
        self._stage_sums_ns.keep(positions)
        commits = keep_ragged(self._commit_offsets, positions)
        self._lead_times_ns.keep(commits)
        if self._stages_ns is not None:
            self._stages_ns.keep(commits)

    def _facts(self) -> dict[str, GrowableArray[Any]]:
        facts: dict[str, GrowableArray[Any]] = {
            "verdicts": self._verdicts,
            "is_rework": self._is_rework,
            "recoveries_ns": self._recoveries_ns,
            "commit_offsets": self._commit_offsets,
            "lead_times_ns": self._lead_times_ns,
            "lead_time_sums_ns": self._lead_time_sums_ns,
            "stage_sums_ns": self._stage_sums_ns,
        }
        return facts if self._stages_ns is None else {**facts, _STAGES: self._stages_ns}

    def _prepare_facts(self, stored: StoredEvents) -> None:
        if _STAGES in stored.arrays:
            self._stages_ns = GrowableArray(np.int64, (len(STAGES),))


class CachedIncidents(CachedEvents[IncidentColumns]):
    """The failures of an organisation."""

    table = FAILURES
    instant = "e.started_at_ns"
    fields = ("service", "env", "team", "repository_id", "source", "severity")
    select = (
        "SELECT e.key, e.started_at_ns, e.custom_tags, e.services, e.env, e.team, "
        "e.repository_id, e.source, e.severity, e.started_at_ns, e.finished_at_ns, e.periods "
        "FROM failures e"
    )

    def __init__(self, org: Organisation, allocate: Allocate = np.empty) -> None:
        super().__init__(org, allocate)
        self._is_open = GrowableArray(np.bool_, allocate=allocate)
        self._restore_ns = GrowableArray(np.int64, allocate=allocate)

    def _columns(self, labels: Mapping[str, Labels]) -> IncidentColumns:
        return IncidentColumns(
            started_at_ns=self._instants_ns.taken,
            is_open=self._is_open.taken,
            restore_ns=self._restore_ns.taken,
            labels=labels,
        )

    def _extend_facts(self, custom_tags: Sequence[str | None], *values: Sequence[Any]) -> None:
        started_at_ns, finished_at_ns, periods = values
        self._is_open.extend(np.array([each is None for each in finished_at_ns], np.bool_))
        spans_ns = list(map(active_ns, started_at_ns, finished_at_ns, map(decode_periods, periods)))
        # One that ends before it starts has no time to restore, and is not open either.
        self._restore_ns.extend(_with(UNKNOWN_NS, spans_ns, np.int64))

    def _keep_facts(self, positions: Positions) -> None:
        self._is_open.keep(positions)
        self._restore_ns.keep(positions)

    def _facts(self) -> dict[str, GrowableArray[Any]]:
        return {"is_open": self._is_open, "restore_ns": self._restore_ns}


def _tag_pairs(
    cursor: Cursor, table: EventTable[Any], org: Organisation, key: str
) -> Iterator[tuple[int, str]]:
    """Events, and the values of their tags with a key; one with two values comes twice."""
    for mark in TAG_PREFIXES:
        prefix = f"{mark}{key}:"
        rows = cursor.execute(
            f"SELECT event, term FROM {table.postings} WHERE org = ? AND term >= ? AND term < ?",
            (org.key, prefix, f"{mark}{key};"),
        )
        yield from ((event, term[len(prefix) :]) for event, term in rows)
    rest = unindexed_elements(table, org, cursor.dialect)
    rows = cursor.execute(
        f"SELECT x.event, x.value {rest.sql} AND x.field = ?", (*rest.values, f"@{key}")
    )
    yield from ((event, value) for event, value in rows)


def _is_tagged_rework(custom_tags: str) -> bool:
    """Looks for the text first: few have it, and reading JSON takes longer."""
    return REWORK_TAG in custom_tags and REWORK_TAG in decode_texts(custom_tags)


def _with(missing: int, values: Sequence[int | None], dtype: type[np.integer[Any]]) -> NDArray[Any]:
    return np.array([missing if each is None else each for each in values], dtype)


def _first_names(labels: Labels) -> Ints:
    """The rank of each event's first name among all names; 0 for an event without one."""
    positions = np.zeros(len(labels.values) + 1, np.int64)
    by_name = sorted(range(len(labels.values)), key=labels.values.__getitem__)
    positions[by_name] = np.arange(1, len(by_name) + 1)
    if labels.offsets is None:
        return positions[labels.codes]
    starts, ends = labels.offsets[:-1], labels.offsets[1:]
    padded = np.append(labels.codes, np.int32(NO_VALUE))
    return np.where(ends > starts, positions[padded[starts]], 0)
