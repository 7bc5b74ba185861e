"""Twenty-one shapes of query, as ratios to hand-written SQL for the same question.

The hand-written statements go through the same driver, on the same connection settings, over
the same tables, and read the same columns; they are what a person who knows the schema and the
data would write for that one question. For parts of words that is SQLite's own index of trigrams,
FTS5, which is made in memory first.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import apsw

from bench.over_http import cache_folder
from bench.results import note
from bench.world import BENCH, stored
from theodora.query import Kind, parse, sort_key
from theodora.storage import Selection, Store
from theodora.storage.engine.sqlite.connection import connect_reader
from theodora.storage.events.segments import segment_some
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.open import open_database

LIMIT = 20
ROUNDS = 60
SECONDS_A_SHAPE = 3.0

_COLUMNS = "e.id, e.started_at_ns, e.finished_at_ns, e.created_at_ns, e.document, e.started_at_ns"
_BY_TIME = "ORDER BY e.started_at_ns DESC LIMIT 20"
_POSTED = (
    f"SELECT {_COLUMNS} FROM deployment_postings p JOIN deployments e ON e.key = p.event "
    "WHERE p.org = 1 AND p.term = '{}' "
)
_TRIGRAMS = (
    f"SELECT {_COLUMNS} FROM temp.parts p JOIN deployments e ON e.key = p.rowid "
    f"WHERE p.words MATCH '{{}}' AND e.org = 1 {_BY_TIME}"
)
_MAKE_TRIGRAMS = (
    "CREATE VIRTUAL TABLE temp.parts USING fts5(words, content='', tokenize='trigram')",
    "INSERT INTO temp.parts (rowid, words) SELECT key, words || other_words FROM deployments",
)
_TEAMS = (
    f"SELECT {_COLUMNS} FROM deployments e WHERE e.org = 1 AND e.team GLOB '*rvice*' {_BY_TIME}"
)
_NEWEST = "ORDER BY p.started_at_ns DESC LIMIT 20"


@dataclass(frozen=True)
class Shape:
    """A named question: as a query, and as SQL."""

    name: str
    query: str
    sql: str
    sort: str = "-started_at"


def shapes() -> list[Shape]:
    walk = f"SELECT {_COLUMNS} FROM deployments e WHERE e.org = 1 AND "
    everything = f"SELECT {_COLUMNS} FROM deployments e WHERE e.org = 1 {_BY_TIME}"
    return [
        Shape("non-selective", "env:production", walk + f"e.env = 'production' {_BY_TIME}"),
        Shape(
            "selective",
            "service:service-150",
            _POSTED.format("service:service-150") + _NEWEST,
        ),
        Shape("rare tag", "incident:7", _POSTED.format("#incident:7") + _NEWEST),
        Shape(
            "two tags",
            "shard:7 department:3",
            _POSTED.format("#shard:7")
            + "AND EXISTS (SELECT 1 FROM deployment_postings q WHERE q.org = 1 "
            "AND q.term = '#department:3' AND q.started_at_ns = p.started_at_ns "
            f"AND q.event = p.event) {_NEWEST}",
        ),
        Shape("value that occurs nowhere", "team:nobody", _POSTED.format("team:nobody") + _NEWEST),
        Shape(
            "prefix",
            "service:service-19*",
            walk + f"e.service >= 'service-19' AND e.service < 'service-1:' {_BY_TIME}",
        ),
        Shape("suffix wildcard", "version:*.77", walk + f"e.version GLOB '*.77' {_BY_TIME}"),
        Shape("free text", "rust", _POSTED.format("@language:rust") + _NEWEST),
        Shape("full text", "*:rust", _POSTED.format("@language:rust") + _NEWEST),
        Shape("negation", "-env:production", walk + f"e.env <> 'production' {_BY_TIME}"),
        Shape(
            "numeric range",
            "duration:[10 TO 20]",
            walk + f"e.duration BETWEEN 10 AND 20 {_BY_TIME}",
        ),
        Shape(
            "sort by a derived field",
            "",
            f"SELECT {_COLUMNS} FROM deployment_numbers n JOIN deployments e ON e.key = n.event "
            "WHERE n.org = 1 AND n.field = 'duration' ORDER BY n.value DESC LIMIT 20",
            sort="-duration",
        ),
        Shape(
            "OR of three services",
            "service:(service-001 OR service-002 OR service-003)",
            walk + f"e.service IN ('service-001', 'service-002', 'service-003') {_BY_TIME}",
        ),
        Shape(
            "deep group",
            "((service:service-001 OR (team:team-02 AND (env:staging OR env:development))) "
            "AND (language:java OR (language:go AND -region:us-east-1)))",
            walk + "(e.service = 'service-001' OR (e.team = 'team-02' "
            "AND e.env IN ('staging', 'development'))) "
            "AND (EXISTS (SELECT 1 FROM deployment_elements x WHERE x.org = 1 AND x.event = e.key "
            "AND x.field = '@language' AND x.value = 'java') "
            "OR (EXISTS (SELECT 1 FROM deployment_elements x WHERE x.org = 1 AND x.event = e.key "
            "AND x.field = '@language' AND x.value = 'go') "
            "AND NOT EXISTS (SELECT 1 FROM deployment_elements x WHERE x.org = 1 "
            f"AND x.event = e.key AND x.field = '@region' AND x.value = 'us-east-1'))) {_BY_TIME}",
        ),
        Shape("everything", "", everything),
        *_parts_of_words(),
    ]


def _parts_of_words() -> list[Shape]:
    many = [f"z{first}{second}q" for first, second in product(ascii_lowercase[:10], repeat=2)]
    many += [f"q{part}" for part in many] + [f"y{part}" for part in many[:50]]
    return [
        Shape("part of a word that occurs nowhere", "*zzzqqq*", _TRIGRAMS.format('"zzzqqq"')),
        Shape("the same in every field", "*:*zzz*", _TRIGRAMS.format('"zzz"')),
        Shape(
            "250 of them",
            " OR ".join(f"*:*{part}*" for part in many),
            _TRIGRAMS.format(" OR ".join(f'"{part}"' for part in many)),
        ),
        Shape("part that another field has", "team:*rvice*", _TEAMS),
        Shape("rare part of a word", "version:*9.77.1*", _TRIGRAMS.format('"9 77 1"')),
        Shape("frequent part of a word", "*ust*", _TRIGRAMS.format('"ust"')),
    ]


def main() -> None:
    """Prints p50 and p99 of each shape, and the ratio of the medians."""
    counts = [int(text) for text in sys.argv[1:]] or [100_000, 1_000_000]
    for count in counts:
        print(f"{count:,} deployments{'':24} p50 ms   p99 ms   SQL p50 ms   ratio")
        with opened(count) as (store, plain):
            org = store.keys.organisation("default")
            for shape in shapes():
                selection = _selection(shape)
                ours = _times(partial(store.deployments.documents, org, selection))
                theirs = _times(partial(_ask, plain, shape.sql))
                _print(shape, count, ours, theirs)


@contextmanager
def opened(count: int) -> Iterator[tuple[Store, apsw.Connection]]:
    path = stored(count, cache_folder())
    _segment(path)
    with Store(f"sqlite:///{path}") as store:
        plain = connect_reader(path)
        for statement in _MAKE_TRIGRAMS:
            plain.execute(statement)
        yield store, plain
        plain.close()


def _segment(path: Path) -> None:
    """Has all events in segments, as they are some time after an upgrade."""
    with closing(open_database(f"sqlite:///{path}", lambda *_: (), lambda _: None)) as database:
        while database.write(
            partial(segment_some, table=DEPLOYMENTS, org=1), BENCH, org=1
        ).result():
            pass


def _ask(connection: apsw.Connection, sql: str) -> list[Any]:
    return connection.execute(sql).fetchall()


def _selection(shape: Shape) -> Selection:
    field = sort_key(shape.sort.removeprefix("-"), Kind.DEPLOYMENT)
    assert field is not None
    return Selection(query=parse(shape.query), sort=field, limit=LIMIT)


def _times(ask: Callable[[], Any]) -> list[float]:
    """Milliseconds of each round, after three to warm up."""
    for _ in range(3):
        ask()
    times: list[float] = []
    until = time.perf_counter() + SECONDS_A_SHAPE
    while len(times) < ROUNDS and (len(times) < 5 or time.perf_counter() < until):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)


def _print(shape: Shape, count: int, ours: list[float], theirs: list[float]) -> None:
    p50, p99 = statistics.median(ours), ours[int(len(ours) * 0.99) - 1]
    yardstick = statistics.median(theirs)
    print(f"  {shape.name:34} {p50:8.2f} {p99:8.2f} {yardstick:10.2f} {p50 / yardstick:8.2f}")
    note(f"search: {shape.name}", count, p50, yardstick, "ms", "plain SQL")


if __name__ == "__main__":
    main()
