"""The write-ahead log of a SQLite file: it does not keep the size that it once needed."""

import resource
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from actors import TESTER
from theodora.errors import Unavailable
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.engine.sqlite import connection as connections
from theodora.storage.engine.sqlite.committer import SqliteCommitter
from theodora.storage.engine.sqlite.connection import connect_writer
from theodora.storage.engine.sqlite.database import SqliteDatabase
from theodora.storage.engine.writer import Write

MIB = 2**20


def fill(cursor: Cursor) -> None:
    cursor.execute("CREATE TABLE IF NOT EXISTS filler (content BLOB)")
    cursor.execute("INSERT INTO filler VALUES (zeroblob(?))", (MIB,))


def log_mib(path: Path) -> float:
    return path.with_name(f"{path.name}-wal").stat().st_size / MIB


def test_a_long_log_is_folded_back_when_nothing_is_written(tmp_path: Path) -> None:
    """A read that is open keeps it; once that has ended, the next pause empties it."""
    path = tmp_path / "theodora.db"
    with closing(SqliteDatabase(path, lambda *_: (), lambda _: None)) as database:
        with closing(apsw.Connection(str(path))) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM organisations").fetchall()
            for _ in range(12):
                database.write(fill, TESTER, org=1).result()
            time.sleep(0.3)
            assert log_mib(path) > 12
        database.write(fill, TESTER, org=1).result()
        until_sec = time.monotonic() + 30
        while log_mib(path) > 1:
            assert time.monotonic() < until_sec, "the log keeps its size"
            time.sleep(0.05)


def test_a_log_of_many_pages_is_copied_after_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "theodora.db"
    with closing(SqliteCommitter(path)) as committer:
        committer.commit([Write(fill, TESTER, NO_ORGANISATION)] * 20)
        assert path.stat().st_size < MIB
        committer.commit([Write(fill, TESTER, NO_ORGANISATION)] * 20)
        assert path.stat().st_size > 40 * MIB


def test_a_disk_that_fails_while_the_log_is_copied_is_no_other_program(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk."""
    path = tmp_path / "theodora.db"
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(SqliteCommitter(path)) as committer:
        committer.commit([Write(fill, TESTER, NO_ORGANISATION)] * 6)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, unlimited[1]))
        try:
            with pytest.raises(Unavailable, match="cannot be read or written now"):
                committer.tidy()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert 2 * MIB < path.stat().st_size < 4 * MIB, "a part was copied"
        committer.commit([Write(fill, TESTER, NO_ORGANISATION)])
        committer.tidy()
        assert path.stat().st_size > 7 * MIB


def test_a_log_in_use_is_cut_back_to_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no pause ever comes."""
    monkeypatch.setattr(connections, "_LOG_BYTES", 2 * MIB)
    path = tmp_path / "theodora.db"
    with closing(connect_writer(path)) as writer:
        writer.execute("CREATE TABLE filler (content BLOB)")
        for _ in range(10):
            writer.execute("INSERT INTO filler VALUES (zeroblob(?))", (MIB,))
        assert log_mib(path) > 8
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        writer.execute("INSERT INTO filler VALUES (zeroblob(10))")
        assert log_mib(path) <= 2
