"""A server under mixed traffic at 70 % of its capacity: answers, memory and files over time.

Capacity is measured first, in the same run: as many answers as clients of one other process get,
each of which asks as soon as it is answered. Then requests are due at a fixed rate, whether the
server keeps up or not, and the time of an answer counts from then. In the end the server is asked
to stop while the traffic goes on.

    python -m bench.soak 30
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving
from bench.traffic import KINDS, UNLIMITED, Answer, Client, Traffic
from postgresql import PostgresqlServer, postgresql

GRACE_SEC = 30.0
"""What a server may take to stop."""
_SHARE = 0.7
_WARM_UP = 0.2
"""The share of the run that is not compared."""
_FLAT = 1.1
_BOUNDED = ("memory", "database", "log")
"""Those of `Sizes` that must be flat."""
_MIB = 2**20
_LOOK_SEC = 1.0
_SMALL = {"min_wal_size": "128MB", "max_wal_size": "128MB", "autovacuum_naptime": "10s"}
"""Settings of PostgreSQL with which its files reach their size within minutes."""


class Plan(NamedTuple):
    """How long each part takes, and how much is asked."""

    minutes: float
    capacity_sec: float = 20.0
    clients: int = 8
    deployments: int = 2_000
    windows: int = 10


class Sizes(NamedTuple):
    """Bytes, the largest of a window."""

    memory: int
    database: int
    """Without the audit log."""
    log: int
    audit: int
    """The audit log, which is kept for two years: it grows with what people change."""


class Window(NamedTuple):
    """A part of the run."""

    minutes: float
    """From the start to its end."""
    answers: Sequence[Answer]
    sizes: Sizes


@dataclass(frozen=True)
class Soaked:
    """What was seen of one database."""

    capacity: float
    """Answers in a second."""
    windows: Sequence[Window]
    failed: int
    """Requests that had another answer than 2xx before the server was asked to stop."""
    stopped_sec: float
    status: int
    """The server's exit status."""

    @property
    def growth(self) -> Mapping[str, float]:
        """By what, how much larger the second half is than the first, after warming up."""
        return {
            name: growth([getattr(each.sizes, name) for each in self.windows]) for name in _BOUNDED
        }

    @property
    def is_well(self) -> bool:
        is_flat = all(each <= _FLAT for each in self.growth.values())
        return is_flat and not self.failed and not self.status and self.stopped_sec < GRACE_SEC


def main() -> int:
    """Prints a table for each database; 1 if one is not flat, or if a request failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("minutes", type=float)
    arguments.add_argument("--on", choices=("sqlite", "postgresql"), action="append")
    asked = arguments.parse_args()
    are_well = True
    for name in asked.on or ("sqlite", "postgresql"):
        with _on_sqlite() if name == "sqlite" else _on_postgresql() as (server, files):
            soaked = soak(server, files, Plan(asked.minutes))
        _print(name, soaked)
        are_well &= soaked.is_well
    return int(not are_well)


class Files(NamedTuple):
    """Bytes of what a server writes; see `Sizes`."""

    database: int
    log: int
    audit: int


def soak(server: serving.Server, files: Callable[[], Files], plan: Plan) -> Soaked:
    """Asks the server for so long, and stops it."""
    kept = plan.deployments // plan.clients
    process = psutil.Process(server.process.pid)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(closing(Client(number, server.url, kept)))
            for number in range(plan.clients)
        ]
        with Traffic(clients):
            time.sleep(plan.capacity_sec)
        capacity = sum(len(client.take_answers()) for client in clients) / plan.capacity_sec
        with Traffic(clients, _SHARE * capacity) as traffic:
            windows = list(_windows(clients, plan, lambda: Sizes(_resident(process), *files())))
            began_sec = time.monotonic()
            traffic.end_with_server()
            status = server.stop()
            stopped_sec = time.monotonic() - began_sec
    answers = [answer for window in windows for answer in window.answers]
    failed = sum(not 200 <= answer.status < 300 for answer in answers)
    return Soaked(capacity, windows, failed, stopped_sec, status)


def _windows(clients: Sequence[Client], plan: Plan, sizes: Callable[[], Sizes]) -> Iterator[Window]:
    start_sec = time.monotonic()
    for number in range(1, plan.windows + 1):
        largest = _largest(sizes, start_sec + 60 * plan.minutes * number / plan.windows)
        answers = [answer for client in clients for answer in client.take_answers()]
        yield Window((time.monotonic() - start_sec) / 60, answers, largest)


def _largest(sizes: Callable[[], Sizes], until_sec: float) -> Sizes:
    """The largest of each size by then: a write-ahead log grows and is emptied again."""
    found = [sizes()]
    while (left_sec := until_sec - time.monotonic()) > 0:
        time.sleep(min(_LOOK_SEC, left_sec))
        found.append(sizes())
    return Sizes(*(max(each) for each in zip(*found, strict=True)))


def _resident(process: psutil.Process) -> int:
    """Memory of a server's processes."""
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def growth(sizes: Sequence[int]) -> float:
    """The median of the second half over that of the first, after warming up."""
    after = sizes[round(_WARM_UP * len(sizes)) :]
    half = len(after) // 2
    first, second = statistics.median(after[:half]), statistics.median(after[half:])
    return second / first if first else 1.0 + second


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share does not exceed."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)] if values else 0.0


@contextmanager
def _on_sqlite() -> Iterator[tuple[serving.Server, Callable[[], Files]]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving.serving(Path(folder), environment=UNLIMITED) as server,
    ):
        yield server, lambda: sizes_of_file(server.database)


def sizes_of_file(database: Path) -> Files:
    """Those of a SQLite file."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        [(whole, audit)] = connection.execute(
            "SELECT sum(pgsize), sum(pgsize) FILTER (WHERE name IN "
            "(SELECT name FROM sqlite_master WHERE tbl_name = 'audit_entries')) FROM dbstat"
        )
        [(free,)] = connection.execute(
            "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
        )
    return Files(whole + free - audit, Path(f"{database}-wal").stat().st_size, audit)


@contextmanager
def _on_postgresql() -> Iterator[tuple[serving.Server, Callable[[], Files]]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql(quick=False, **_SMALL) as database,
        serving.serving(Path(folder), environment=UNLIMITED, database=database.url()) as server,
    ):
        yield server, lambda: _sizes_of_database(database)


def _sizes_of_database(database: PostgresqlServer) -> Files:
    [sizes] = database.execute(
        "SELECT pg_database_size(current_database()) - audit, log, audit FROM "
        "(SELECT sum(size)::bigint AS log FROM pg_ls_waldir()) AS logs, "
        "(SELECT pg_total_relation_size('audit_entries') AS audit) AS audits"
    )
    return Files(*sizes)


def _print(name: str, soaked: Soaked) -> None:
    """Milliseconds as p50/p99 by kind, and MiB."""
    names = [kind.name for kind in KINDS]
    print(f"{name}: {soaked.capacity:.0f} answers/s; asked {_SHARE * soaked.capacity:.0f}/s")
    print(f"  {'minutes':>7} {'answers':>8}", *(f"{each:>12}" for each in names), end="")
    print("".join(f"{each:>10}" for each in Sizes._fields))
    for window in soaked.windows:
        cells = [_cell(window.answers, each) for each in names]
        sizes = "".join(f"{each / _MIB:10.1f}" for each in window.sizes)
        print(f"  {window.minutes:7.1f} {len(window.answers):8,}", *cells, sizes, sep=" ")
    grown = ", ".join(f"{what} {factor:.2f}" for what, factor in soaked.growth.items())
    verdict = "well" if soaked.is_well else "NOT WELL"
    print(f"  second half to first, after warming up: {grown}; {soaked.failed} failed")
    print(f"  SIGTERM: ended after {soaked.stopped_sec:.1f} s, status {soaked.status}; {verdict}")


def _cell(answers: Sequence[Answer], kind: str) -> str:
    taken = [1_000 * answer.seconds for answer in answers if answer.kind == kind]
    return f"{quantile(taken, 0.5):5.1f}/{quantile(taken, 0.99):6.1f}"


if __name__ == "__main__":
    sys.exit(main())
