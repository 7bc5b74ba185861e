"""What docs/backup.md says about other tools: Litestream, pg_dump, point-in-time recovery."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors import TESTER
from databases import Databases
from forked_serving import forked
from loading import Load, found
from postgresql import PROGRAMS, PostgresqlServer, archiving, recovered
from storage.copy.test_copy import fill, held
from theodora.events import Deployment
from theodora.storage import Store

_LITESTREAM = Path(sys.executable).with_name("litestream")
_PATIENCE_SECONDS = 60


@contextmanager
def litestream(database: Path, replica: str) -> Iterator[None]:
    command = [str(_LITESTREAM), "replicate", str(database), replica]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(timeout=30)


def _restored(replica: str, database: Path) -> bool:
    command = [str(_LITESTREAM), "restore", "-o", str(database), replica]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _LITESTREAM.exists(), reason="litestream is not installed")
def test_a_store_comes_back_from_a_litestream_replica_when_the_disk_is_lost(tmp_path: Path):
    disk, replica = tmp_path / "disk", f"file://{tmp_path / 'replica'}"
    disk.mkdir()
    with forked(disk) as server, litestream(server.database, replica):
        load = Load([server.url])
        load.send(list(range(300)))
        # Litestream copies about once a second: what is asked is when it has copied these.
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _holds(replica, tmp_path / "looked-at.db", load):
            assert time.monotonic() < until, "the replica does not get the events"
            time.sleep(1)
        server.kill()
    shutil.rmtree(disk)
    disk.mkdir()
    assert _restored(replica, disk / "theodora.db")
    result = found(f"sqlite:///{disk / 'theodora.db'}", load.acknowledged)
    assert (result.lost, result.doubled, result.wrongly_derived) == (0, 0, [])
    with forked(disk) as server:
        Load([server.url]).send(list(range(300, 310)))


def _holds(replica: str, copy: Path, load: Load) -> bool:
    for left in copy.parent.glob(f"{copy.name}*"):
        left.unlink()
    if not _restored(replica, copy):
        return False
    with Store(f"sqlite:///{copy}") as store:
        return store.deployments.count() == len(load.acknowledged)


def test_pg_dump_and_pg_restore_keep_a_store(postgresql_databases: Databases, tmp_path: Path):
    dump = tmp_path / "theodora.dump"
    with postgresql_databases.new(tmp_path) as url:
        fill(url)
        before = held(url)
        subprocess.run([PROGRAMS / "pg_dump", "-Fc", "-d", url, "-f", dump], check=True)
    with postgresql_databases.new(tmp_path) as url:
        # Into an empty database: this one has the tables, which are made again.
        command = [PROGRAMS / "pg_restore", "--clean", "--if-exists", "--no-owner", "-d", url, dump]
        subprocess.run(command, check=True)
        assert held(url) == before
        with Store(url) as store:
            assert store.keys.find("application", "k" * 40) is not None
            store.derivations.derive_all_queued(actor=TESTER)


def test_a_store_is_recovered_to_a_moment():
    """What was committed before is there, what came after is not, and the server goes on."""
    with archiving() as server:
        _add(server, range(20))
        [(moment,)] = server.execute("SELECT clock_timestamp()::text")
        _add(server, range(20, 40))
        [(last,)] = server.execute("SELECT pg_walfile_name(pg_switch_wal())")
        until = time.monotonic() + _PATIENCE_SECONDS
        archived = "SELECT last_archived_wal >= '{}' FROM pg_stat_archiver"
        while server.execute(archived.format(last)) != [(True,)]:
            assert time.monotonic() < until, "the log is not archived"
            time.sleep(0.1)
        server.stop()
        with recovered(server, str(moment)) as again:
            while again.execute("SELECT pg_is_in_recovery()") != [(False,)]:
                assert time.monotonic() < until, "it does not recover"
                time.sleep(0.1)
            assert _added(again) == set(range(20))
            _add(again, range(50, 60))
            assert _added(again) == {*range(20), *range(50, 60)}


def _add(server: PostgresqlServer, numbers: range) -> None:
    with Store(server.url()) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for number in numbers:
            event = Deployment(service="web", started_at_ns=number, finished_at_ns=number)
            store.deployments.add(org, event, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)


def _added(server: PostgresqlServer) -> set[int]:
    with Store(server.url()) as store:
        org = store.keys.organisation("default")
        return {event.started_at_ns for event in store.deployments.everything(org)}
