"""Entries of the audit log for backups, restores and copies of a complete store."""

import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from commands import run
from databases import ON_POSTGRESQL, Databases
from postgresql import PostgresqlServer
from storage.copy.test_copy import fill
from theodora.storage import Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.backup.backup import BackupSource
from theodora.storage.backup.rotation import BackupFolder, BackupWorker
from theodora.storage.check.check import check_store
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditEntry

NO_ENTRY = "the audit log has no entry of this: "


@pytest.fixture
def filled(databases: Databases, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "filled").mkdir()
    with databases.new(tmp_path / "filled", fill) as url:
        yield url


@pytest.fixture
def target(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """A database to restore or copy into."""
    if databases.kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'target.db'}"
        return
    with databases.new(tmp_path) as url:
        yield url


def entries(url: str) -> list[AuditEntry]:
    """The newest first."""
    with Store(url) as store:
        return store.audit.entries(None, AuditQuery())


def test_a_backup_has_its_own_entry_and_a_restore_adds_one(
    filled: str, target: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "backup.tar.gz")
    made = run("backup", file, "--database", filled, "--git-folder", str(tmp_path / "git"))
    assert (made.exit_code, made.stderr) == (0, "")
    [begun] = entries(filled)
    assert (begun.action, begun.target) == ("store.backed_up", file)
    assert (begun.actor.kind, begun.actor.name) == ("command", "backup")
    put_back = run("restore", file, "--database", target, "--git-folder", str(tmp_path / "git"))
    assert (put_back.exit_code, put_back.stderr) == (0, "")
    restored, copied = entries(target)
    assert copied == begun
    assert (restored.action, restored.target) == ("store.restored", file)
    assert '"made_at"' in restored.after
    assert check_store(target, lambda *_: None).findings == []


def test_a_copy_has_its_own_entry(filled: str, target: str) -> None:
    made = run("copy", filled, target)
    assert (made.exit_code, made.stderr) == (0, "")
    [begun] = entries(filled)
    assert begun.action == "store.copied"
    assert entries(target) == [begun]


def test_a_copy_that_goes_on_adds_no_entry(
    filled: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would differ from the original that its beginning was copied from."""
    with monkeypatch.context() as patched:
        patched.setattr("theodora.storage.copy.copy.Copying.compare", lambda _: iter([1 / 0]))
        assert isinstance(run("copy", filled, target).exception, ZeroDivisionError)
    again = run("copy", filled, target)
    assert (again.exit_code, again.stderr) == (0, "")
    assert len(entries(filled)) == 1


def test_the_worker_of_a_server_records_its_backups(filled: str, tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path / "backups", 5)
    source = BackupSource(filled, (), "1.2.3")
    worker = BackupWorker(folder, 3_600, lambda: source, Actor("worker", "backup"))
    worker.start()
    until = time.monotonic() + 20
    while not folder.backups() and time.monotonic() < until:
        time.sleep(0.02)
    worker.stop()
    [entry] = entries(filled)
    assert (entry.action, entry.target) == ("store.backed_up", str(folder.backups()[0]))
    assert (entry.actor.kind, entry.actor.name) == ("worker", "backup")


@pytest.mark.databases("sqlite")
def test_a_store_of_another_version_is_backed_up_as_it_is(filled: str, tmp_path: Path) -> None:
    path = filled.removeprefix("sqlite:///")
    connection = apsw.Connection(path)
    connection.execute("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)")
    connection.close()
    made = run("backup", str(tmp_path / "b.tar.gz"), "--database", filled)
    assert made.exit_code == 0
    assert f"{NO_ENTRY}its schema is that of another version" in made.stderr
    connection = apsw.Connection(path)
    assert connection.execute("SELECT count(*) FROM audit_entries WHERE org = 0").fetchall() == [
        (0,)
    ]
    connection.close()


@ON_POSTGRESQL
def test_a_database_that_cannot_be_written_is_backed_up(
    filled: str, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    name = filled.rpartition("/")[2].partition("?")[0]
    postgresql_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    made = run("backup", str(tmp_path / "b.tar.gz"), "--database", filled)
    postgresql_server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert made.exit_code == 0, made.stderr
    assert NO_ENTRY in made.stderr
    assert "read-only" in made.stderr
    assert entries(filled) == []
