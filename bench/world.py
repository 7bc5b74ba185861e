"""Synthetic deployments to measure on: many services of unequal size over two years."""

import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import click

from theodora.events import Deployment, Git
from theodora.storage import Organisation, Store
from theodora.web.wire import render

SERVICES = 200
TEAMS = 20
YEARS_NS = 2 * 365 * 86_400 * 10**9
END_NS = 1_790_000_000 * 10**9

_SERVICE_NAMES = [f"service-{number:03d}" for number in range(SERVICES)]
_SERVICE_WEIGHTS = [1 / (number + 1) for number in range(SERVICES)]
_IN_FLIGHT = 4_096


def deployments(count: int, seed: int = 1) -> Iterator[Deployment]:
    """`count` deployments in order of time; two years however many there are."""
    rng = random.Random(seed)
    step_ns = YEARS_NS // count
    for number in range(count):
        yield deployment(number, END_NS - YEARS_NS + number * step_ns, rng)


def deployment(number: int, started_at_ns: int, rng: random.Random) -> Deployment:
    """One deployment with five tags, one of them rare."""
    service = rng.choices(_SERVICE_NAMES, _SERVICE_WEIGHTS)[0]
    seconds = int(rng.lognormvariate(5, 0.8))
    rare = f"incident:{number}" if number % 100_000 == 7 else f"shard:{rng.randrange(64)}"
    return Deployment(
        service=service,
        env=rng.choice(("production", "production", "staging", "development")),
        team=f"team-{int(service[-3:]) % TEAMS:02d}",
        version=f"v{number // 10_000}.{number // 100 % 100}.{number % 100}",
        started_at_ns=started_at_ns,
        finished_at_ns=started_at_ns + seconds * 10**9,
        git=Git(f"{rng.getrandbits(160):040x}", f"https://github.com/acme/{service}"),
        custom_tags=(
            f"language:{rng.choice(('java', 'go', 'python', 'rust'))}",
            f"region:{rng.choice(('us-east-1', 'eu-west-1', 'ap-south-1'))}",
            f"department:{rng.randrange(12)}",
            f"build:{number}",
            rare,
        ),
    )


def stored(count: int, folder: Path) -> Path:
    """A database of `count` deployments, made on first use and kept in `folder`."""
    path = folder / f"deployments-{count}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with Store(f"sqlite:///{unfinished}", render) as store:
            org = store.keys.ensure_organisation("default", time.time_ns()).result()
            load(store, org, count)
            store.derivations.derive_all_marked()
        unfinished.rename(path)
    return path


def load(store: Store, org: Organisation, count: int) -> None:
    """Stores `count` deployments, with a progress bar."""
    waiting: deque[Future[Any]] = deque()
    events = deployments(count)
    with click.progressbar(
        events, length=count, label=f"storing {count:,} deployments", file=sys.stderr
    ) as bar:
        for event in bar:
            waiting.append(store.deployments.add(org, event, END_NS))
            if len(waiting) > _IN_FLIGHT:
                waiting.popleft().result()
    for future in waiting:
        future.result()
