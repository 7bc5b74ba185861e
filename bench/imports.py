"""Import of deployments from JSON Lines into a new SQLite file, beside the bare driver.

The yardstick inserts the rows that the import has written, of every table of events, into an empty
file with the same schema: apsw's `executemany`, the same number of events in each commit, and no
work beside. Both are timed in turns; processor time is compared as well, as it depends less on
what else the machine does.

Then the import runs once more while another process creates one deployment after another in the
same file: how long each creation takes shows how long the import holds the file.

`python -m bench.imports 100000`
"""

import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from bench.results import note
from bench.world import BENCH, END_NS, deployments
from theodora.cli.import_queue import DEPLOYMENTS_AT_ONCE
from theodora.events import Deployment
from theodora.sources.json_lines import line_from_event
from theodora.storage import Store
from theodora.storage.engine.sqlite.connection import connect_writer

ROUNDS = 3
_TABLES = (
    *("deployments", "deployment_elements", "changes", "marks"),
    *("deployment_postings", "deployment_numbers", "deployment_words"),
)


class Seconds(NamedTuple):
    """Two times of the same work."""

    elapsed: float
    processor: float


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "deployments.jsonl"
        with lines.open("wb") as file:
            file.writelines(map(line_from_event, deployments(count)))
        imported, bare = zip(*_in_turns(folder, lines, count), strict=True)
        theirs, ours = min(bare), min(imported)
        print(f"{count:,} deployments       a second     processor time each")
        _show("theodora import", count, ours)
        _show("bare executemany", count, theirs)
        print(
            f"ratio to bare: {theirs.elapsed / ours.elapsed:.2f} by time, "
            f"{theirs.processor / ours.processor:.2f} by processor time"
        )
        rates = (count / ours.elapsed, count / theirs.elapsed)
        note("import of deployments", count, *rates, "a second", "executemany")
        _show_creations(folder, lines)


def _in_turns(folder: Path, lines: Path, count: int) -> Iterator[tuple[Seconds, Seconds]]:
    for turn in range(ROUNDS):
        imported, bare = folder / f"imported-{turn}.db", folder / f"bare-{turn}.db"
        yield _import(lines, imported), _insert(imported, bare, count)


def _show(what: str, count: int, seconds: Seconds) -> None:
    print(
        f"  {what:<20} {count / seconds.elapsed:>10,.0f} "
        f"{seconds.processor / count * 1e6:>15.0f} µs"
    )


def _import(lines: Path, file: Path) -> Seconds:
    """Runs the command; what starting it takes is part of it."""
    before, began = _of_children(), time.perf_counter()
    command = ["import", "deployments", str(lines), "--database", f"sqlite:///{file}"]
    subprocess.run([sys.executable, "-m", "theodora", *command], check=True, capture_output=True)
    return Seconds(time.perf_counter() - began, _of_children() - before)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _insert(imported: Path, file: Path, count: int) -> Seconds:
    """Inserts the same rows: those of a table in its order of events, sorted in each commit."""
    source = apsw.Connection(str(imported), flags=apsw.SQLITE_OPEN_READONLY)
    with Store(f"sqlite:///{file}"):
        pass
    connection = connect_writer(file)
    connection.pragma("foreign_keys", "off")
    inserted = [_rows(source, table) for table in _TABLES]
    before, began = time.process_time(), time.perf_counter()
    for statement, rows in inserted:
        at_once = -(-len(rows) * DEPLOYMENTS_AT_ONCE // count)
        for start in range(0, len(rows), at_once):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, sorted(rows[start : start + at_once]))
            connection.execute("COMMIT")
    seconds = Seconds(time.perf_counter() - began, time.process_time() - before)
    connection.close()
    return seconds


def _rows(source: apsw.Connection, table: str) -> tuple[str, list[tuple[object, ...]]]:
    """The statement that inserts the rows of a table, and the rows by event where it has one."""
    columns = [name for _, name, *_ in source.execute(f"PRAGMA table_info({table})")]
    order = "event" if "event" in columns else columns[0]
    rows = source.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", rows


def _show_creations(folder: Path, lines: Path) -> None:
    file = folder / "beside.db"
    with Store(f"sqlite:///{file}") as store:
        store.keys.ensure_organisation("default", 1, actor=BENCH).result()
    ours, theirs = multiprocessing.Pipe()
    creator = multiprocessing.Process(target=_create, args=(file, theirs))
    creator.start()
    ours.recv()
    _import(lines, file)
    ours.send("stop")
    seconds = sorted(ours.recv())
    creator.join()
    print(
        f"{len(seconds):,} creations by another process meanwhile: "
        f"median {_at(seconds, 0.5):.0f} ms, p99 {_at(seconds, 0.99):.0f} ms, "
        f"longest {seconds[-1] * 1000:.0f} ms"
    )


def _at(seconds: list[float], share: float) -> float:
    return seconds[int(share * (len(seconds) - 1))] * 1000


def _create(file: Path, asked: Connection) -> None:
    """Creates deployments until told to stop; sends how long each took."""
    seconds: list[float] = []
    with Store(f"sqlite:///{file}") as store:
        org = store.keys.organisation("default")
        asked.send("ready")
        event = Deployment(service="beside", started_at_ns=END_NS, finished_at_ns=END_NS)
        while not asked.poll(0.01):
            version = f"v{len(seconds)}"
            one = msgspec.structs.replace(event, version=version)
            began = time.perf_counter()
            store.deployments.add(org, one, END_NS, actor=BENCH).result()
            seconds.append(time.perf_counter() - began)
    asked.send(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
