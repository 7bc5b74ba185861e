"""How much two processes write for independent organisations beside one, on PostgreSQL.

Each process creates deployments of its own organisation from 16 threads, which wait for the disk
each time, and is pinned to a core of its own; PostgreSQL takes whichever is free. One and two
processes are measured in turns.

`python -m bench.writers 8` measures eight seconds each
"""

import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from bench.world import BENCH, END_NS
from theodora.events import Deployment
from theodora.storage import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import postgresql

_TURNS = (1, 2) * 3
_THREADS = 16
_SERVICES = 20


def main(seconds: float = 8) -> None:
    with postgresql(quick=False) as server:
        for turn, processes in enumerate(_TURNS):
            made = _write(server.url(), processes, turn, seconds)
            print(f"{processes} processes: {made / seconds:,.0f} a second", flush=True)


def _write(url: str, processes: int, turn: int, seconds: float) -> int:
    """How many deployments so many processes create in the time."""
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    for core in range(processes):
        ours, theirs = context.Pipe()
        context.Process(target=_write_one, args=(url, core, turn, seconds, theirs)).start()
        ends.append(ours)
    for end in ends:
        end.recv()
    for end in ends:
        end.send("begin")
    return sum(end.recv() for end in ends)


def _write_one(url: str, core: int, turn: int, seconds: float, asked: Connection) -> None:
    """Sends that it is ready, waits to be told to begin, and sends how many it has created."""
    os.sched_setaffinity(0, {core})
    with Store(url) as store, ThreadPoolExecutor(_THREADS) as threads:
        org = store.keys.ensure_organisation(f"org {core}", END_NS, actor=BENCH).result()
        numbers = count()

        def create() -> None:
            number = next(numbers)
            event = Deployment(
                id=f"deployment-{turn}-{number}",
                service=f"service-{number % _SERVICES}",
                started_at_ns=END_NS,
                finished_at_ns=END_NS,
            )
            store.deployments.add(org, event, END_NS, actor=BENCH).result()

        def create_until(until_sec: float) -> int:
            made = 0
            while time.monotonic() < until_sec:
                create()
                made += 1
            return made

        create()
        asked.send("ready")
        asked.recv()
        until_sec = time.monotonic() + seconds
        made = sum(threads.map(create_until, [until_sec] * _THREADS))
    asked.send(made)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
