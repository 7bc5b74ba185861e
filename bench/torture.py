"""Servers under load that are killed, paused and cut off their disk or database, again and again.

Clients create, correct, judge, read and delete deployments, open and resolve failures, change
settings and import files meanwhile. In the end everything that was acknowledged has to be there
once, and to be derived as by a new server that was told the same.

    python -m bench.torture --times 100 --only killed
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from signal import SIGCONT, SIGSTOP
from typing import NamedTuple

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import PostgresqlServer, either_url, followed, postgresql, replica_of
from preloading import (
    COMPILER,
    FULL_DISK,
    READ_ERRORS,
    READ_ONLY_FILES,
    SYNC_ERRORS,
    WRITE_ERRORS,
    Faults,
)
from torture import (
    Disturbance,
    Ground,
    Outcome,
    fail,
    kill,
    pause,
    set_clock,
    share,
    stop,
    tear_log,
    torture,
)

_HEAD = (
    *("disturbed", "recovered", "acknowledged", "expected", "found"),
    *("doubled", "missed", "faults", "traces"),
)
_FEW = 0.1
_RARE = 0.03
_CONNECTIONS = 30
"""Of a PostgreSQL that runs out of them."""
_FOLLOWS_SOON = {"wal_retrieve_retry_interval": "100ms"}

Stage = Callable[[Path, Random], Iterator[tuple[Ground, Disturbance]]]
"""Makes a server, and what disturbs it."""


class Row(NamedTuple):
    """A kind of disturbance, and its share of all that is asked for."""

    name: str
    share: float
    stage: Stage
    needs_compiler: bool = False


def main() -> int:
    """Prints a line for each kind of disturbance; 1 if anything was lost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=100, help="kills; a tenth of other faults")
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    arguments.add_argument("--only", default="", help="what the names of disturbances have in them")
    asked = arguments.parse_args()
    print(f"  {f'seed {asked.seed}':46} " + " ".join(f"{each:>12}" for each in _HEAD), flush=True)
    are_sound = True
    for row in ROWS:
        if asked.only in row.name:
            are_sound &= _run(row, max(1, round(row.share * asked.times)), Random(asked.seed))
    return int(not are_sound)


def _run(row: Row, times: int, rng: Random) -> bool:
    """Whether nothing was lost."""
    if row.needs_compiler and not COMPILER:
        print(f"  {row.name:46} not tried: there is no cc to compile tests/faults.c with")
        return True
    with (
        tempfile.TemporaryDirectory() as folder,
        contextmanager(row.stage)(Path(folder), rng) as (
            ground,
            disturb,
        ),
    ):
        outcome = torture(ground, disturb, times)
    figures = " ".join(f"{getattr(outcome, each):12,}" for each in _HEAD)
    print(f"  {row.name:46} {figures}", flush=True)
    for line, count in outcome.log.items():
        print(f"      {count:5,} × {line[:120]}")
    return _is_sound(outcome)


def _is_sound(outcome: Outcome) -> bool:
    return outcome.found == outcome.expected and not (
        outcome.doubled or outcome.missed or outcome.faults
    )


def _sqlite(disturb: Disturbance) -> Stage:
    def stage(folder: Path, rng: Random) -> Iterator[tuple[Ground, Disturbance]]:
        yield Ground(folder, rng), disturb

    return stage


def _preloaded(disturb: Disturbance) -> Stage:
    """On SQLite, with a library that has the disk or the clock fail."""

    def stage(folder: Path, rng: Random) -> Iterator[tuple[Ground, Disturbance]]:
        yield Ground(folder, rng, faults=Faults(folder)), disturb

    return stage


def _postgresql(disturb: Callable[[PostgresqlServer, Ground], None], **settings: str) -> Stage:
    def stage(folder: Path, rng: Random) -> Iterator[tuple[Ground, Disturbance]]:
        with postgresql(quick=False, **settings) as database:
            # On a busy machine a connection takes longer than the five seconds of our own.
            url = database.url(connect_timeout="30")
            yield Ground(folder, rng, url), partial(disturb, database)

    return stage


def _kill_database(database: PostgresqlServer, _: Ground) -> None:
    database.kill()
    database.start_again()


def _restart_database(database: PostgresqlServer, ground: Ground) -> None:
    database.stop(ground.rng.choice(("fast", "immediate")))
    database.start()


def _freeze_database(database: PostgresqlServer, ground: Ground) -> None:
    first = psutil.Process(database.pid())
    processes = [first, *first.children()]
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(SIGSTOP)
    time.sleep(ground.rng.uniform(0.5, 3))
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(SIGCONT)


def _take_connections(database: PostgresqlServer, _: Ground) -> None:
    """Takes all connections there are away from the server, and holds them for a second."""
    with ExitStack() as held:
        mine = held.enter_context(psycopg.connect(database.url(), autocommit=True))
        mine.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        until_sec = time.monotonic() + 1
        while time.monotonic() < until_sec:
            try:
                held.enter_context(psycopg.connect(database.url()))
            except psycopg.OperationalError:
                time.sleep(0.05)


def _lagging(folder: Path, rng: Random) -> Iterator[tuple[Ground, Disturbance]]:
    """A replica answers reads, and stands still for a while."""
    with postgresql(quick=False) as primary, replica_of(primary, **_FOLLOWS_SOON) as replica:

        def stand_still(ground: Ground) -> None:
            replica.execute("SELECT pg_wal_replay_pause()")
            time.sleep(ground.rng.uniform(0.5, 2))
            replica.execute("SELECT pg_wal_replay_resume()")

        yield Ground(folder, rng, primary.url(), replica=replica.url()), stand_still


def _failing_over(folder: Path, rng: Random) -> Iterator[tuple[Ground, Disturbance]]:
    """The primary is killed and its replica promoted, which has a new replica in its place."""
    with ExitStack() as stack:
        pair = list(stack.enter_context(followed()))

        def fail_over(_: Ground) -> None:
            primary, replica = pair
            primary.kill()
            replica.promote()
            pair[:] = replica, stack.enter_context(replica_of(replica, primary.port))
            # From now on what is acknowledged is on both.
            replica.set("synchronous_standby_names", "*")

        url = either_url(*pair)
        yield Ground(folder, rng, url), fail_over


ROWS = (
    Row("server killed with -9", 1, _sqlite(kill)),
    Row("server killed, write-ahead log torn", _FEW, _sqlite(tear_log)),
    Row("server stopped with SIGTERM", _FEW, _sqlite(stop)),
    Row("server frozen (SIGSTOP) and continued", _FEW, _sqlite(pause)),
    Row("second server on the file, killed with -9", _FEW, _sqlite(share)),
    Row("full disk", _FEW, _preloaded(fail(FULL_DISK)), needs_compiler=True),
    Row("disk: write errors", _FEW, _preloaded(fail(WRITE_ERRORS)), needs_compiler=True),
    Row(
        "disk: files become read-only", _FEW, _preloaded(fail(READ_ONLY_FILES)), needs_compiler=True
    ),
    Row("disk: fsync errors", _FEW, _preloaded(fail(SYNC_ERRORS)), needs_compiler=True),
    Row("disk: read errors", _FEW, _preloaded(fail(READ_ERRORS)), needs_compiler=True),
    Row("clock set by up to a year", _FEW, _preloaded(set_clock), needs_compiler=True),
    Row("PostgreSQL: server killed with -9", _FEW, _postgresql(lambda _, ground: kill(ground))),
    Row("PostgreSQL killed with -9 and started", _FEW, _postgresql(_kill_database)),
    Row("PostgreSQL stopped and started", _FEW, _postgresql(_restart_database)),
    Row("PostgreSQL frozen (SIGSTOP) and continued", _FEW, _postgresql(_freeze_database)),
    Row(
        "PostgreSQL out of connections",
        _FEW,
        _postgresql(_take_connections, max_connections=str(_CONNECTIONS)),
    ),
    Row("PostgreSQL: replica replays nothing", _FEW, _lagging),
    Row("PostgreSQL: primary killed, replica promoted", _RARE, _failing_over),
)


if __name__ == "__main__":
    sys.exit(main())
