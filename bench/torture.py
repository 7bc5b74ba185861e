"""Servers under load that are killed, paused and cut off their database, again and again.

Clients create, correct, judge and delete deployments, open and resolve failures, change settings
and import files meanwhile. In the end everything that was acknowledged has to be there once, and to
be derived as by a new server that was told the same.

    python -m bench.torture --times 100
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import postgresql
from torture import Disturbance, Ground, Outcome, kill, pause, tear_log, torture

_HEAD = ("disturbed", "recovered", "acknowledged", "expected", "found", "doubled")


def main() -> int:
    """Prints a line for each kind of disturbance; 1 if anything was lost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=100, help="kills; a tenth of other faults")
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    asked = arguments.parse_args()
    few = max(1, asked.times // 10)
    print(f"  {f'seed {asked.seed}':46} " + " ".join(f"{each:>12}" for each in _HEAD), flush=True)
    outcomes = [
        _on_sqlite("server killed with -9", kill, asked.times, asked.seed),
        _on_sqlite("killed, and its write-ahead log torn", tear_log, few, asked.seed),
        _on_sqlite("server stopped and continued", pause, few, asked.seed),
        _on_postgresql("PostgreSQL: server killed with -9", few, asked.seed, of_database=False),
        _on_postgresql("PostgreSQL killed with -9 and started", few, asked.seed, of_database=True),
    ]
    return int(any(each.found < each.expected or each.doubled for each in outcomes))


def _on_sqlite(name: str, disturb: Disturbance, times: int, seed: int) -> Outcome:
    with _folder() as folder:
        return _shown(name, torture(Ground(folder, Random(seed)), disturb, times))


def _on_postgresql(name: str, times: int, seed: int, *, of_database: bool) -> Outcome:
    with _folder() as folder, postgresql(quick=False) as database:

        def crash(_: Ground) -> None:
            database.kill()
            database.start_again()

        ground = Ground(folder, Random(seed), database.url())
        return _shown(name, torture(ground, crash if of_database else kill, times))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _shown(name: str, outcome: Outcome) -> Outcome:
    print(f"  {name:46} " + " ".join(f"{each:12,}" for each in outcome), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
