"""The cost of an organisation and of its first events, on both databases.

`python -m bench.organisations 1000` for so many organisations of ten deployments each. Sizes are
those of the database; times are those of the processor in this process, without PostgreSQL's, and
of the clock.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import apsw
import psycopg

from bench.world import BENCH, deployments
from theodora.events import Deployment
from theodora.storage import Organisation, Store
from theodora.storage.open import is_postgresql, sqlite_path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import postgresql

_EVENTS = 10
_OPENED = 5

T = TypeVar("T")


def main(count: int) -> None:
    print(f"{count:,} organisations of {_EVENTS} deployments, each made on its own")
    with tempfile.TemporaryDirectory() as folder:
        _measure("SQLite", f"sqlite:///{folder}/theodora.db", count)
    with postgresql(quick=False) as server:
        _measure("PostgreSQL", server.url(), count)


def _measure(name: str, url: str, count: int) -> None:
    with Store(url):
        empty = _bytes(url)
    with Store(url) as store:
        orgs = _timed(f"{name}: an organisation", count, lambda: _make(store, count))
    made = _bytes(url)
    events = list(deployments(count * _EVENTS))
    with Store(url) as store:
        _timed(f"{name}: a deployment", len(events), lambda: _fill(store, orgs, events))
    print(f"  {(made - empty) / count:,.0f} bytes an organisation")
    print(f"  {(_bytes(url) - made) / len(events):,.0f} bytes a deployment")
    _timed(f"{name}: opening the store", _OPENED, lambda: _open(url))


def _make(store: Store, count: int) -> list[Organisation]:
    return [
        store.keys.ensure_organisation(f"org {number}", 1, actor=BENCH).result()
        for number in range(count)
    ]


def _fill(store: Store, orgs: list[Organisation], events: list[Deployment]) -> None:
    """Writes the deployments of all organisations in turns, without waiting for each commit."""
    added = [
        store.deployments.add(orgs[number % len(orgs)], event, 1, actor=BENCH)
        for number, event in enumerate(events)
    ]
    for each in added:
        each.result()


def _open(url: str) -> None:
    for _ in range(_OPENED):
        with Store(url):
            pass


def _timed(what: str, count: int, run: Callable[[], T]) -> T:
    began, processor = time.perf_counter(), time.process_time()
    result = run()
    processor_ms = 1_000 * (time.process_time() - processor) / count
    clock_ms = 1_000 * (time.perf_counter() - began) / count
    print(f"{what}: {processor_ms:.2f} ms of the processor, {clock_ms:.2f} ms")
    return result


def _bytes(url: str) -> int:
    """The size of the database, with nothing left in a log."""
    if is_postgresql(url):
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            assert row
            return row[0]
    with closing(apsw.Connection(str(sqlite_path(url)))) as connection:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return sqlite_path(url).stat().st_size


if __name__ == "__main__":
    main(int(sys.argv[1]))
