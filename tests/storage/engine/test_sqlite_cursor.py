"""Cursors of SQLite: what outlives the garbage collector, and what stays prepared."""

import subprocess
import sys
from pathlib import Path

from theodora.storage.engine.sqlite.connection import connect_writer, cursor_of

_FREE_ON_ANOTHER_THREAD = """
import gc, sys, threading, time
from pathlib import Path
from theodora.storage.engine.sqlite.connection import connect_writer, cursor_of

gc.set_threshold(10**9)
until_sec = time.monotonic() + 1


class Cycle:
    pass


def collect():
    while time.monotonic() < until_sec:
        gc.collect()


def read(path):
    connection = connect_writer(path)
    while time.monotonic() < until_sec:
        for _ in range(100):
            cycle = Cycle()
            cycle.itself, cycle.cursor = cycle, cursor_of(connection)
            cycle.cursor.execute("SELECT 1").fetchall()
    connection.close()


path = Path(sys.argv[1])
connect_writer(path).close()
threads = [threading.Thread(target=collect)]
threads += [threading.Thread(target=read, args=(path,)) for _ in range(2)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


def test_cursors_are_freed_on_any_thread(tmp_path: Path) -> None:
    """In a process of its own, since it crashes otherwise."""
    command = [sys.executable, "-c", _FREE_ON_ANOTHER_THREAD, str(tmp_path / "theodora.db")]
    assert subprocess.run(command, check=False).returncode == 0


def test_many_rows_do_not_take_the_place_of_prepared_statements(tmp_path: Path) -> None:
    connection = connect_writer(tmp_path / "numbers.db")
    cursor = cursor_of(connection)
    cursor.execute("CREATE TABLE numbers (number)")

    def write() -> int:
        cursor.execute("SELECT count(*) FROM numbers").fetchall()
        insert = "INSERT INTO numbers VALUES (?)"
        cursor.executemany(insert, [(number,) for number in range(400)])
        return connection.cache_stats()["misses"]

    assert write() == write()
    connection.close()
