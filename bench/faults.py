"""What clients see while something breaks: a server's process, PostgreSQL, the whole primary.

Two servers of two processes answer eight clients, each of which sends a deployment until it is
acknowledged, and asks the next server at once when it is refused. In the middle of it something is
broken. Told is how requests ended, how long the database was away and how long nothing was
acknowledged to anybody, and what of that which was acknowledged is missing, or there twice.

`python -m bench.faults`
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loading import PATIENCE_SECONDS, Load, found, two_servers, workers_of
from postgresql import either_url, followed, postgresql
from serving import Server

EVENTS = 6_000
_AFTER = 1_500
"""Events acknowledged before something breaks."""

Break = Callable[[list[Server]], None]


@dataclass(frozen=True)
class Stage:
    """A database, the URL that holds its events in the end, and how to break something."""

    url: str
    url_in_the_end: str
    break_it: Break


def main() -> None:
    """Prints a line for each fault."""
    print(
        f"  {'':46} {'requests':>8} {'refused':>8} {'broken off':>10} "
        f"{'away':>7} {'silence':>7} {'acknowledged':>12} {'lost':>5} {'doubled':>7}"
    )
    for name, stage in (
        ("nothing", _nothing),
        ("a process of one server killed with -9", _process_killed),
        ("PostgreSQL killed with -9 and started", _killed),
        ("PostgreSQL stopped (immediate) and started", lambda: _stopped("immediate")),
        ("PostgreSQL stopped (fast) and started", lambda: _stopped("fast")),
        ("primary killed with -9, its replica promoted", _promoted),
    ):
        with stage() as prepared:
            _measure(name, prepared)


def _measure(name: str, stage: Stage) -> None:
    away_sec = 0.0
    with tempfile.TemporaryDirectory() as folder, two_servers(Path(folder), stage.url) as servers:

        def disturb() -> None:
            nonlocal away_sec
            began = time.perf_counter()
            stage.break_it(servers)
            away_sec = time.perf_counter() - began

        load = Load([server.url for server in servers])
        load.disturbed(disturb, range(EVENTS), _AFTER)
    seen = load.statuses
    held = found(stage.url_in_the_end, load.acknowledged)
    print(
        f"  {name:46} {seen.total():8,} {seen[503]:8,} {seen[0]:10,} {away_sec:5.1f} s "
        f"{load.longest_silence_sec():5.1f} s {len(load.acknowledged):12,} "
        f"{held.lost:5,} {held.doubled:7,}"
    )


@contextmanager
def _nothing() -> Iterator[Stage]:
    with postgresql(quick=False) as server:
        yield Stage(server.url(), server.url(), lambda _: None)


@contextmanager
def _process_killed() -> Iterator[Stage]:
    def kill(servers: list[Server]) -> None:
        victim = workers_of(servers[0])[0]
        victim.kill()
        victim.wait(PATIENCE_SECONDS)

    with postgresql(quick=False) as server:
        yield Stage(server.url(), server.url(), kill)


@contextmanager
def _killed() -> Iterator[Stage]:
    with postgresql(quick=False) as server:

        def crash(_: list[Server]) -> None:
            server.kill()
            server.start_again()

        yield Stage(server.url(), server.url(), crash)


@contextmanager
def _stopped(mode: str) -> Iterator[Stage]:
    with postgresql(quick=False) as server:

        def restart(_: list[Server]) -> None:
            server.stop(mode)
            server.start()

        yield Stage(server.url(), server.url(), restart)


@contextmanager
def _promoted() -> Iterator[Stage]:
    with followed() as (primary, replica):

        def fail_over(_: list[Server]) -> None:
            primary.kill()
            replica.promote()

        yield Stage(either_url(primary, replica), replica.url(), fail_over)


if __name__ == "__main__":
    main()
