"""Metrics from columns in memory, as ratios to plain SQL and to DuckDB over the same rows.

All three answer the same question in the same run, in turns, and their answers are checked to be
equal before any is timed. A report computes what is read of it: timed is reading the figures that
the others give too, and beside it reading all that the endpoint shows. The plain SQL is what a
person who knows schema and data would write: in the store's own file, with covering indexes of its
own and lead times kept beside the names that they are grouped by. DuckDB holds the same rows in
memory, names as enumerations. Both leave out what a report holds besides: the period before, the
changes, and whether those are chance.

`python -m bench.metrics 100000 1000000`
"""

import gc
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import apsw
import duckdb
import pandas as pd

from bench.over_http import cache_folder, resident_mb
from bench.results import note
from bench.world import BENCH, END_NS, LeadTimes, deployment, lead_times, measured
from theodora.dora import MetricsQuery, Period, Report
from theodora.query import parse
from theodora.storage import Store

DAY_NS = 86_400 * 10**9
WEEK_NS = 7 * DAY_NS
MONDAY_NS = 4 * DAY_NS
RANGES = {"90 days": 90, "2 years": 730}
ROUNDS = 9
SECONDS_A_SHAPE = 8.0
WRITES = (1, 100, 10_000)
_CACHE_KIB = 65_536
"""As much memory as plain SQL could wish for: twice what the server's writer has."""

Row = tuple[Any, ...]
Figures = Sequence[float | None]
"""Of a week and group: counts, then the figures of lead times; spans in seconds."""
Answer = Mapping[tuple[int, str], Figures]
"""Weeks without a deployment are left out."""
Told = tuple[list[Row], list[Row]]
"""What a yardstick's two statements give: one is over deployments, one over their commits."""


@dataclass(frozen=True)
class Shape:
    """A named question: as a query, and as a condition that both yardsticks understand."""

    name: str
    query: str = ""
    where: str = "true"
    group: str = "''"
    group_by: tuple[str, ...] = ()
    join: str = ""


SHAPES = (
    Shape("week x service", group="service", group_by=("service",)),
    Shape("week, one service", query="service:service-003", where="service = 'service-003'"),
    Shape(
        "week x region, a tag",
        group="t.value",
        group_by=("region",),
        join="JOIN deployment_elements t ON t.event = d.event AND t.field = '@region'",
    ),
    Shape(
        "week x service, filtered",
        query="env:production team:(team-02 OR team-03 OR team-04)",
        where="env = 'production' AND team IN ('team-02', 'team-03', 'team-04')",
        group="service",
        group_by=("service",),
    ),
)

_WITHIN = "d.finished_at_ns >= {start} AND d.finished_at_ns < {end} AND {where} GROUP BY 1, 2"
_COUNTS = (
    "SELECT {week}, {group}, count(*), sum(change_failure), count(change_failure), "
    "count(recovery_time_sec) FROM narrow_deployments d {join} WHERE " + _WITHIN
)
_LEAD_TIMES = (
    "SELECT {week}, {group}, count(*), avg(lead_time_ns) / 1e9, {percentiles} "
    "FROM narrow_lead_times d {join} WHERE " + _WITHIN
)
_NAMES = ("service", "env", "team")
_VERDICT = ("change_failure", "recovery_time_sec")
_NAMED = (
    f"SELECT finished_at_ns, key, {', '.join((*_NAMES, *_VERDICT))} FROM deployments ORDER BY key"
)
_NO_LEAD_TIMES = (0, None, None, None, None, None)


class PlainSql:
    """SQLite's own percentiles, which are quicker here than ranks by window functions."""

    _MAKE = """
    CREATE TABLE narrow_deployments (
      finished_at_ns BIGINT, event BIGINT, service TEXT, env TEXT, team TEXT,
      change_failure INTEGER, recovery_time_sec BIGINT, PRIMARY KEY (finished_at_ns, event)
    ) WITHOUT ROWID;
    CREATE TABLE narrow_lead_times (
      finished_at_ns BIGINT, event BIGINT, number INTEGER, service TEXT, env TEXT, team TEXT,
      lead_time_ns BIGINT, PRIMARY KEY (finished_at_ns, event, number)
    ) WITHOUT ROWID;
    """
    _INDEX = """
    CREATE INDEX narrow_deployments_by_service
      ON narrow_deployments (service, finished_at_ns, change_failure, recovery_time_sec);
    CREATE INDEX narrow_lead_times_by_service
      ON narrow_lead_times (service, finished_at_ns, lead_time_ns);
    ANALYZE;
    """

    def __init__(self, path: Path, spans: LeadTimes) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("cache_size", -_CACHE_KIB)
        self._connection.execute(self._MAKE)
        named = self._connection.execute(_NAMED).fetchall()
        with self._connection:
            self._connection.executemany(
                "INSERT INTO narrow_deployments VALUES (?, ?, ?, ?, ?, ?, ?)", named
            )
            self._connection.executemany(
                "INSERT INTO narrow_lead_times VALUES (?, ?, ?, ?, ?, ?, ?)",
                _with_lead_times(named, spans),
            )
        self._connection.execute(self._INDEX)

    def ask(self, shape: Shape, period: Period) -> Told:
        week = f"(d.finished_at_ns - {MONDAY_NS}) / {WEEK_NS}"
        percentiles = (f"percentile_cont(lead_time_ns, {p}) / 1e9" for p in (0.5, 0.75, 0.9, 0.95))
        counts, lead_times = _statements(shape, period, week, ", ".join(percentiles))
        rows = self._connection.execute(counts).fetchall()
        return rows, self._connection.execute(lead_times).fetchall()

    def close(self) -> None:
        self._connection.close()


def _with_lead_times(named: Sequence[Row], spans: LeadTimes) -> Iterator[Row]:
    place = 0
    for (finished_at_ns, event, *names), count in zip(named, spans.counts, strict=True):
        for number in range(count):
            yield (finished_at_ns, event, number, *names[:3], spans.spans_ns[place + number])
        place += count


class Duck:
    """Tables in memory, sorted by time."""

    def __init__(self, path: Path, spans: LeadTimes) -> None:
        self._connection = duckdb.connect()
        deployments, regions = _frames(path)
        commits = deployments.drop(columns=list(_VERDICT))
        commits = commits.loc[commits.index.repeat(spans.counts)]
        commits["lead_time_ns"] = spans.spans_ns
        frames = {
            "narrow_deployments": deployments.sort_values("finished_at_ns"),
            "narrow_lead_times": commits.sort_values("finished_at_ns"),
            "deployment_elements": regions,
        }
        for name, frame in frames.items():
            self._connection.register("frame", frame)
            self._connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")

    def ask(self, shape: Shape, period: Period) -> Told:
        week = f"(d.finished_at_ns - {MONDAY_NS}) // {WEEK_NS}"
        percentiles = "quantile_cont(lead_time_ns / 1e9, [0.5, 0.75, 0.9, 0.95])"
        counts, lead_times = _statements(shape, period, week, percentiles)
        rows = self._connection.execute(counts).fetchall()
        return rows, self._connection.execute(lead_times).fetchall()

    def close(self) -> None:
        self._connection.close()


def _frames(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Deployments, and their tags of one key."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    deployments = pd.DataFrame(
        connection.execute(_NAMED).fetchall(),
        columns=["finished_at_ns", "event", *_NAMES, *_VERDICT],
    ).astype(dict.fromkeys(_NAMES, "category"))
    tags = "SELECT event, field, value FROM deployment_elements WHERE field = '@region'"
    regions = pd.DataFrame(
        connection.execute(tags).fetchall(), columns=["event", "field", "value"]
    ).astype(dict.fromkeys(("field", "value"), "category"))
    connection.close()
    return deployments, regions


def _statements(shape: Shape, period: Period, week: str, percentiles: str) -> tuple[str, str]:
    parts = {
        "week": week,
        "percentiles": percentiles,
        "start": period.start_ns,
        "end": period.end_ns,
        "group": shape.group,
        "where": shape.where,
        "join": shape.join,
    }
    return _COUNTS.format(**parts), _LEAD_TIMES.format(**parts)


def _answer(told: Told) -> Answer:
    counts, lead_times = told
    spans = {
        row[:2]: [*row[2:-1], *row[-1]] if isinstance(row[-1], list) else row[2:]
        for row in lead_times
    }
    return {row[:2]: (*row[2:], *spans.get(row[:2], _NO_LEAD_TIMES)) for row in counts}


class Theodora:
    """The report that API, pages and commands show."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._organisation = store.keys.organisation("default")

    def ask(self, shape: Shape, period: Period) -> Report:
        """The report, of which every interval of each group has been read."""
        query = MetricsQuery(
            period=period, as_of_ns=END_NS * 2, interval="week", group_by=shape.group_by
        )
        report = self._store.metrics.report(self._organisation, query, parse(shape.query))
        for group in report.groups:
            _ = group.series
        return report

    def ask_for_all(self, shape: Shape, period: Period) -> None:
        """The same, with the total and its intervals, the periods before and the changes."""
        report = self.ask(shape, period)
        for each in (report.overall, *report.groups):
            _ = each.total, each.previous, each.change, each.series

    def write(self, count: int, rng: Random) -> None:
        """So many deployments, durable when this returns."""
        waiting: list[Future[Any]] = [
            self._store.deployments.add(
                self._organisation,
                deployment(rng.getrandbits(60), END_NS - DAY_NS, rng),
                END_NS,
                actor=BENCH,
            )
            for _ in range(count)
        ]
        for future in waiting:
            future.result()


def _answer_of(report: Report) -> Answer:
    return {
        ((each.bucket.period.start_ns - MONDAY_NS) // WEEK_NS, "".join(group.group)): _figures(
            each.metrics
        )
        for group in report.groups
        for each in group.series
        if each.metrics.deployment_frequency.count
    }


def _figures(metrics: Any) -> Figures:
    rate, spans = metrics.change_failure_rate, metrics.change_lead_time
    return (
        metrics.deployment_frequency.count,
        rate.hits,
        rate.n,
        metrics.failed_deployment_recovery_time.n,
        *(getattr(spans, name) for name in ("n", "mean", "p50", "p75", "p90", "p95")),
    )


def main() -> None:
    """Prints, for each size, the medians and their ratios, then what the columns cost."""
    for count in [int(text) for text in sys.argv[1:]] or [100_000, 1_000_000]:
        path = measured(count, cache_folder())
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "theodora.db"
            shutil.copy(path, copy)
            with Store(f"sqlite:///{copy}") as store:
                theodora = Theodora(store)
                _print_building(theodora, count)
                _print_ratios(theodora, copy, count)
                _print_catching_up(theodora)


def _print_building(theodora: Theodora, count: int) -> None:
    before_mb = resident_mb(os.getpid())
    seconds = _seconds(partial(theodora.ask, SHAPES[0], _period(90)))
    gc.collect()
    grown = (resident_mb(os.getpid()) - before_mb) * 2**20
    print(
        f"{count:,} deployments: first report {seconds:.2f} s, {grown / count:.0f} bytes an event"
    )


def _print_ratios(theodora: Theodora, path: Path, count: int) -> None:
    spans = lead_times(count)
    yardsticks = (PlainSql(path, spans), Duck(path, spans))
    head = ("Theodora", "all of it", "SQL", "ratio", "DuckDB", "ratio")
    print(f"  {'p50 of a report':36}", *(f"{each:>11}" for each in head))
    for shape in SHAPES:
        for name, days in RANGES.items():
            period = _period(days)
            answers = (_answer(each.ask(shape, period)) for each in yardsticks)
            _check(_answer_of(theodora.ask(shape, period)), *answers)
            asked = (theodora.ask, theodora.ask_for_all, *(each.ask for each in yardsticks))
            ours, whole, *others = _medians([partial(ask, shape, period) for ask in asked])
            told = (f"{theirs:8.1f} ms {ours / theirs:11.3f}" for theirs in others)
            print(f"  {shape.name + ', ' + name:36} {ours:8.1f} ms {whole:8.1f} ms", *told)
            note(f"metrics: {shape.name}, {name}", count, ours, others[1], "ms", "DuckDB")
    for each in yardsticks:
        each.close()


def _period(days: int) -> Period:
    return Period(END_NS - days * DAY_NS, END_NS)


def _check(ours: Answer, *others: Answer) -> None:
    """All three say the same, or nothing is measured."""
    assert ours
    for theirs in others:
        assert ours.keys() == theirs.keys()
        for key, figures in ours.items():
            assert all(map(_alike, figures, theirs[key])), (key, figures, theirs[key])


def _alike(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other))


def _medians(asked: Sequence[Callable[[], object]]) -> list[float]:
    """Milliseconds of each, asked in turns."""
    rounds: list[list[float]] = []
    until = time.perf_counter() + SECONDS_A_SHAPE
    while len(rounds) < 3 or (len(rounds) < ROUNDS and time.perf_counter() < until):
        rounds.append([_seconds(ask) * 1000 for ask in asked])
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def _seconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _print_catching_up(theodora: Theodora) -> None:
    """The report after writes: it holds them all, and what it takes longer than without them."""
    rng = Random(2)
    ask = partial(theodora.ask, SHAPES[0], _period(90))
    for writes in WRITES:
        usual = statistics.median(_seconds(ask) for _ in range(5))
        before = ask().overall.total.deployment_frequency.count
        theodora.write(writes, rng)
        began = time.perf_counter()
        after = ask().overall.total.deployment_frequency.count
        seconds = time.perf_counter() - began
        assert after == before + writes, "a report must see every write before it"
        print(f"  after {writes:>6,} writes: {seconds * 1000:8.1f} ms, else {usual * 1000:.1f} ms")


if __name__ == "__main__":
    main()
