"""A database file that is removed or replaced under a running server: nothing is lost unseen."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

import serving
from actors import TESTER
from forked_serving import forked
from storage.engine.test_durability import Connection, Load, integrity, wait_until_ready
from theodora.errors import Unavailable
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.engine.sqlite.connection import connect_writer
from theodora.storage.engine.sqlite.file_watch import FileWatch

BEFORE = {f"before-{number}" for number in range(20)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[serving.Server]:
    with forked(tmp_path) as server:
        yield server


@pytest.fixture
def client(server: serving.Server) -> Iterator[Connection]:
    client = Connection(server)
    assert {client.send(version) for version in BEFORE} == {200}
    yield client
    client.close()


@pytest.fixture
def other_store(tmp_path: Path) -> Path:
    """A file with another store, which one event is in."""
    folder = tmp_path / "other"
    folder.mkdir()
    file = folder / "theodora.db"
    with Store(f"sqlite:///{file}") as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        event = Deployment(service="a", version="other", started_at_ns=1, finished_at_ns=2)
        store.deployments.add(org, event, 1, actor=TESTER).result()
    return file


def assert_refusing(client: Connection) -> None:
    """Refuses writes at once, and says that it is not ready."""
    status, document, _ = client.ask("GET", "/readyz")
    assert (status, document.startswith("not ready: ")) == (503, True)
    assert client.send("refused") == 503
    assert client.ask("GET", "/readyz")[0] == 503
    assert client.ask("GET", "/healthz")[0] == 200


def stored_in(path: Path) -> set[str]:
    """The versions in the file, as whoever opens it finds them."""
    with closing(apsw.Connection(str(path))) as connection:
        rows: Any = connection.execute("SELECT version FROM deployments").fetchall()
    return {version for (version,) in rows}


def log(folder: Path) -> str:
    return (folder / "server.log").read_text()


def test_no_event_is_acknowledged_once_the_file_is_gone(
    server: serving.Server, client: Connection, tmp_path: Path
):
    server.database.unlink()
    assert_refusing(client)
    assert client.stored() == BEFORE, "what was open is still read"
    assert len(re.findall("cannot be written; events are refused", log(tmp_path))) == 1
    assert "was removed or renamed while this server had it open" in log(tmp_path)
    assert server.stop() == 0


def test_a_file_that_was_renamed_and_comes_back_goes_on(
    server: serving.Server, client: Connection, tmp_path: Path
):
    away = tmp_path / "away.db"
    server.database.rename(away)
    assert_refusing(client)
    away.rename(server.database)
    wait_until_ready(client)
    assert client.send("after") == 200
    assert "the database can be written again" in log(tmp_path)
    server.kill()
    assert stored_in(server.database) == {*BEFORE, "after"}


def test_a_renamed_file_has_everything_once_the_server_has_ended(
    server: serving.Server, client: Connection, tmp_path: Path
):
    away = tmp_path / "away.db"
    server.database.rename(away)
    assert client.send("refused") == 503
    assert server.stop() == 0
    assert stored_in(away) >= BEFORE
    assert integrity(away) == [("ok",)]


def test_what_was_acknowledged_under_load_is_in_the_file_that_was_renamed(
    server: serving.Server, tmp_path: Path
):
    load = Load(server, "load")
    away = tmp_path / "away.db"

    def rename_and_end() -> None:
        server.database.rename(away)
        with closing(Connection(server)) as client:
            assert_refusing(client)
        server.kill()

    load.run(rename_and_end, after=300)
    away.rename(server.database)
    assert stored_in(server.database) >= load.acknowledged
    assert integrity(server.database) == [("ok",)]


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_a_file_that_is_put_in_its_place_is_not_touched(
    server: serving.Server, client: Connection, tmp_path: Path, other_store: Path, ending: str
):
    away = tmp_path / "away.db"
    os.link(server.database, away)
    other_store.replace(server.database)
    content = server.database.read_bytes()
    assert_refusing(client)
    assert client.ask("GET", "/api/v2/dora/deployments/x")[0] == 503, "it would be of either"
    assert "Restart the server to use what is there now" in log(tmp_path)
    getattr(server, ending)()
    assert server.database.read_bytes() == content
    assert stored_in(away) >= BEFORE
    assert integrity(away) == [("ok",)]
    with forked(tmp_path) as again, closing(Connection(again)) as client_again:
        assert client_again.stored() == {"other"}
        assert client_again.send("next") == 200
    assert integrity(server.database) == [("ok",)]


def test_a_file_that_another_is_copied_over_is_not_touched(
    server: serving.Server, client: Connection, tmp_path: Path, other_store: Path
):
    shutil.copyfile(other_store, server.database)
    content = server.database.read_bytes()
    assert client.send("refused") == 503
    assert client.ask("GET", "/readyz")[0] == 503
    assert "another program has written into it" in log(tmp_path)
    server.stop()
    assert server.database.read_bytes() == content
    assert (tmp_path / "theodora.db-wal-of-replaced-file").exists()
    with forked(tmp_path) as again, closing(Connection(again)) as client_again:
        assert client_again.stored() == {"other"}


@contextmanager
def watched(path: Path) -> Iterator[tuple[apsw.Connection, FileWatch]]:
    """A new file with a table, open for writing, and a watch over it."""
    with closing(connect_writer(path)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        watch = FileWatch(path, connection)
        yield connection, watch
        watch.close()


CHECKPOINT = """
import sys
import apsw
connection = apsw.Connection(sys.argv[1])
for number in range(200):
    connection.execute("INSERT INTO numbers VALUES (?)", (number,))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
"""


def test_what_other_processes_write_through_sqlite_is_no_reason_to_refuse(tmp_path: Path):
    path = tmp_path / "numbers.db"
    with watched(path) as (connection, watch):
        command = [sys.executable, "-c", CHECKPOINT, str(path)]
        with subprocess.Popen(command) as process:
            checks = 0
            while process.poll() is None:
                watch.check()
                checks += 1
        watch.check()
        assert process.returncode == 0
        assert checks > 10
        found: Any = connection.execute("SELECT count(*) FROM numbers").fetchall()
        assert found == [(200,)]


def test_a_checkpoint_that_copies_as_many_pages_as_the_last_is_seen(tmp_path: Path):
    """As many frames, all copied, as before: only the log's header differs."""
    path = tmp_path / "numbers.db"
    with watched(path) as (connection, watch):
        connection.execute("INSERT INTO numbers VALUES (0)")
        for _ in range(3):
            connection.execute("UPDATE numbers SET number = number + 1")
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            watch.check()


def test_a_file_is_refused_only_as_long_as_something_else_has_written_into_it(tmp_path: Path):
    path = tmp_path / "numbers.db"
    with watched(path) as (connection, watch):
        os.utime(path, ns=(1, 1))
        with pytest.raises(Unavailable, match="another program has written into it"):
            watch.check()
        with pytest.raises(Unavailable, match="another program has written into it"):
            watch.refuse_if_replaced()
        connection.execute("INSERT INTO numbers VALUES (1)")
        cast("Any", connection).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        watch.check()
        watch.refuse_if_replaced()


def test_a_file_that_is_replaced_while_it_is_opened_is_not_used(tmp_path: Path):
    """As by a restore that had it locked while a server started."""
    path, other = tmp_path / "numbers.db", tmp_path / "other.db"
    connect_writer(other).close()
    with closing(connect_writer(path)) as connection:
        other.replace(path)
        with pytest.raises(Unavailable, match="was replaced while it was being opened: try again"):
            FileWatch(path, connection)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
