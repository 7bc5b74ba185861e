"""The cost of an organisation and of its first events, on both databases.

`python -m bench.organisations 1000` for so many organisations of ten deployments each;
`python -m bench.organisations 10000 1` for one each. Sizes are those of the database; times are
those of the processor in this process, without PostgreSQL's, and of the clock.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw
import psutil
import psycopg

from bench.over_http import theodora
from bench.world import BENCH, deployments
from theodora.events import Deployment
from theodora.storage import Organisation, Store
from theodora.storage.engine.writer import no_upkeep
from theodora.storage.open import is_postgresql, open_database, sqlite_path
from theodora.storage.store import orgs_to_upkeep

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import postgresql

_OPENED = 5
_LOOKS = 20
_SETTLES_SECONDS = 10

T = TypeVar("T")


def main(count: int, events: int = 10) -> None:
    print(f"{count:,} organisations of {events} deployments, each made on its own")
    with tempfile.TemporaryDirectory() as folder:
        _measure("SQLite", f"sqlite:///{folder}/theodora.db", count, events)
    with postgresql(quick=False) as server:
        _measure("PostgreSQL", server.url(), count, events)


def _measure(name: str, url: str, count: int, of_each: int) -> None:
    with Store(url):
        empty = _bytes(url)
    with Store(url) as store:
        orgs = _timed(f"{name}: an organisation", count, lambda: _make(store, count))
    made = _bytes(url)
    events = list(deployments(count * of_each))
    with Store(url) as store:
        _timed(f"{name}: a deployment", len(events), lambda: _fill(store, orgs, events))
    print(f"  {(made - empty) / count:,.0f} bytes an organisation")
    print(f"  {(_bytes(url) - made) / len(events):,.0f} bytes a deployment")
    _timed(f"{name}: indexing an organisation", count, lambda: _keep_up(url))
    _timed(f"{name}: opening the store", _OPENED, lambda: _open(url))
    with closing(open_database(url, no_upkeep, lambda _: None)) as database:
        look = partial(database.read, orgs_to_upkeep)
        _timed(f"{name}: a look for upkeep", _LOOKS, lambda: [look() for _ in range(_LOOKS)])
    _serve(name, url)


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


def _keep_up(url: str) -> None:
    with (
        Store(url),
        closing(open_database(url, no_upkeep, lambda _: None)) as database,
    ):
        while database.read(orgs_to_upkeep):
            time.sleep(0.1)


def _open(url: str) -> None:
    for _ in range(_OPENED):
        with Store(url):
            pass


def _serve(name: str, url: str) -> None:
    began = time.perf_counter()
    with theodora(url) as (_, pid):
        seconds = time.perf_counter() - began
        # By then the workers have looked at all organisations.
        time.sleep(_SETTLES_SECONDS)
        server = psutil.Process(pid)
        megabytes = server.memory_info().rss / 1e6
        processor = sum(server.cpu_times()[:2])
    print(
        f"{name}: a server listens after {seconds:.2f} s; {_SETTLES_SECONDS} s later it has "
        f"{megabytes:.0f} MB and has used {processor:.2f} s of the processor"
    )


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
    main(*map(int, sys.argv[1:]))
